"""A hundred slices of 1 %, 64 programs at once."""
from harness import sleep_until
from report import Row

TITLE = "100 slices of 1 % on one XPU, 64 processes at once"
KERNEL_US = 1000


def run(bench):
    slices, programs, seconds = (20, 8, 3) if bench.quick else (100, 64, 60)
    bench.loops(KERNEL_US)
    names = [f"m{i}" for i in range(slices)]
    active = names[:programs]

    def together(agent):
        window = bench.window(seconds, programs * 2)
        running = [agent.start(name, bench.client(window, KERNEL_US, 8)) for name in active]
        sleep_until(window[0])
        before = agent.usage()
        sleep_until(window[1] - 200_000_000)
        after = agent.usage()
        results = bench.collect(running)
        return [after[n]["usage"]["contended_ns"] - before[n]["usage"]["contended_ns"] for n in active], results

    with bench.agent() as agent:
        for name in names:
            agent.slice(name, 1, memory="16Mi")
        charged, results = bench.turn(lambda: together(agent))
    due = sum(charged) / len(charged)
    errors = [abs(c - due) / due * 100 if due else 100.0 for c in charged]
    bench.details.update(charged_ns=charged, completions=[r["completions"] for r in results])
    return [Row("programs with progress", f"all of {programs}", sum(r["completions"] > 0 for r in results), "programs",
                programs, at_least=True),
            Row("charged share against due", "worst", max(errors), "%", 5, beside=f"mean {sum(errors) / len(errors):.1f} %")]
