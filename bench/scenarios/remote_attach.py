"""From a program's start to its first context, with a worker that waits."""
from remote import LOCAL, WAYS, Lender
from report import Row, median

TITLE = "a program's start to its first context: remote, while a worker waits, against native"


def row(way: str, turns: list[dict]) -> Row:
    def ms(of, key):
        return median(turn[of][key] for turn in turns) / 1e6
    over = median(turn[way]["context"] - turn["native"]["context"] for turn in turns) / 1e6
    split = f"to main {ms(way, 'main'):.1f}, to the device {ms(way, 'platform'):.1f}, to the context {ms(way, 'context'):.1f} ms"
    return Row("start to context", f"{way} - native", over, "ms", None if way == LOCAL else 20,
               beside=f"{split}; native {ms('native', 'context'):.1f} ms")


def run(bench):
    program = [bench.binary("xpool_bench_attach")]
    turns = []
    with Lender(bench) as lender:
        for _ in range(3 if bench.quick else 5 * bench.repeat):
            turn = {"native": bench.turn(lambda: bench.run(program))}
            for way in (LOCAL, *WAYS):
                turn[way] = bench.turn(lambda: lender.measure(way, program))
            turns.append(turn)
    bench.details["turns"] = turns
    worst = {way: max(turn[way]["context"] for turn in turns) / 1e6 for way in WAYS}
    return [*(row(way, turns) for way in (LOCAL, *WAYS)),
            Row("start to context", "worst of all remote", max(worst.values()), "ms", beside=f"of {len(turns)} tries each")]
