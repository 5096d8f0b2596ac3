"""From the end of one program's last kernel to the start of the next program's first, by the driver's own event
profiling (its clock is common to all processes); and the agent's part of it, by its trace."""
from harness import NS, BenchError, now_ns
from report import Row, median, quantile

TITLE = "hand-over of the lease between two programs"
KERNEL_US = 500


def gaps_us(first: dict, second: dict) -> list[float]:
    """For every change from one program to the other: the time in which no kernel ran."""
    kernels = sorted([(*times, 0) for times in first["kernels_ns"]] + [(*times, 1) for times in second["kernels_ns"]])
    return [(start - ended) / 1000 for (_, ended, before), (start, _, now) in zip(kernels, kernels[1:]) if now != before]


def run(bench):
    seconds = bench.seconds(10, 1)
    bench.loops(KERNEL_US)
    gaps, traces = [], []

    def one_turn(agent):
        window = bench.window(seconds, 2)
        program = bench.client(window, KERNEL_US, 8, "--log-kernels")
        programs = [agent.start("a", program), agent.start("b", program)]
        trace = agent.start_trace((window[1] - now_ns()) / NS)
        return bench.collect([*programs, trace])

    with bench.agent() as agent:
        agent.slice("a", 50)
        agent.slice("b", 50)
        for _ in range(bench.repeat):
            first, second, trace = bench.turn(lambda: one_turn(agent))
            gaps += gaps_us(first, second)
            traces += [xpu for xpu in trace["xpus"] if xpu["hand_overs"]]
    if not gaps or not traces:
        raise BenchError("the lease never changed hands")
    bench.details["gaps_us"] = [round(gap, 1) for gap in gaps]
    by_agent = f"agent's trace: {median(t['hand_over_median_ns'] for t in traces) / 1000:.1f} us"
    return [Row("return to next kernel running", "median", median(gaps), "us", 60, beside=by_agent),
            Row("return to next kernel running", "p99", quantile(gaps, 0.99), "us", beside=f"{len(gaps)} hand-overs")]
