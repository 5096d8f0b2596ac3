"""A strict slice alone on the XPU, against its solo throughput."""
from report import Row, median

TITLE = "strict limits, alone on the XPU"


def run(bench):
    seconds = bench.seconds(10, 2)
    rows = []
    bench.loops(1000)
    with bench.agent() as agent:
        for percent in (10, 25, 50):
            name = f"limit{percent}"
            agent.slice(name, percent, percent)
            parts = []
            for _ in range(bench.repeat):
                solo = bench.turn(lambda: bench.run(bench.client(bench.window(seconds / 2), 1000)))
                limited = bench.turn(lambda: agent.run(name, bench.client(bench.window(seconds), 1000)))
                parts.append(100 * limited["completions"] / max(1, 2 * solo["completions"]))
            agent.delete(name)
            bench.details[name] = parts
            rows.append(Row(f"limit {percent} %", f"{percent} % of solo", abs(median(parts) - percent), "points off", 2,
                            beside=f"got {median(parts):.1f} %"))
    return rows
