"""An elastic slice beside a partner that pauses and comes back."""
from report import Row, median

TITLE = "elastic slices: a partner pauses and returns"
KERNEL_US = 1000
GUARANTEE = 0.3
WINDOW_NS = 50_000_000


def delay_until_share(returning: dict, staying: dict, back_ns: int) -> float:
    """Milliseconds after |back_ns| at which a 50 ms window begins in which the returner has its guarantee."""
    for step in range(0, 500_000_000, 1_000_000):
        begin = back_ns + step
        mine, others = (sum(begin <= at < begin + WINDOW_NS for at in r["completed_ns"]) for r in (returning, staying))
        if mine and mine / (mine + others) >= GUARANTEE - KERNEL_US / 50_000:  # a kernel more or less in the window
            return step / 1e6
    return float("inf")


def run(bench):
    seconds = bench.seconds(9, 3)
    pause = (seconds / 3, 2 * seconds / 3)
    bench.loops(KERNEL_US)
    alone, delays = [], []

    def together(agent):
        window = bench.window(seconds, 2)
        log = ("--log-completions",)
        pausing = ("--pause-from-ms", str(pause[0] * 1000), "--pause-to-ms", str(pause[1] * 1000))
        return bench.collect([agent.start("stays", bench.client(window, KERNEL_US, 8, *log)),
                              agent.start("pauses", bench.client(window, KERNEL_US, 8, *log, *pausing))])

    with bench.agent() as agent:
        agent.slice("stays", 70)
        agent.slice("pauses", 30)
        for _ in range(bench.repeat):
            solo = bench.turn(lambda: bench.run(bench.client(bench.window(seconds / 3), KERNEL_US)))
            stays, pauses = bench.turn(lambda: together(agent))
            inside = sum((pause[0] + 0.05) * 1e9 <= at < pause[1] * 1e9 for at in stays["completed_ns"])
            alone.append(inside / (seconds / 3 - 0.05) / max(1e-9, solo["completions"] / (seconds / 3)))
            delays.append(delay_until_share(pauses, stays, int(pause[1] * 1e9)))
    bench.details.update(alone=alone, delays_ms=delays)
    return [Row("partner idle", "of solo throughput", median(alone), "x", 0.97, at_least=True),
            Row("partner returns", "until it has its guarantee", median(delays), "ms", 20 + KERNEL_US / 1000)]
