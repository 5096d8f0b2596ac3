"""Alone in a slice at 100 %, against native, in turns."""
from report import Row, median

TITLE = "kernel launch latency and throughput, alone in a slice against native"


def run(bench):
    launch = [bench.binary("xpool_bench_launch")] + (["--launches", "500", "--rows", "5"] if bench.quick else [])
    seconds = bench.seconds(5, 0.5)
    bench.loops(1000)
    turns = []
    with bench.agent() as agent:
        agent.slice("whole", 100)
        for _ in range(bench.repeat):
            native = bench.turn(lambda: bench.run(launch))
            sliced = bench.turn(lambda: agent.run("whole", launch))
            native_rate = bench.turn(lambda: bench.run(bench.client(bench.window(seconds), 1000)))["completions"]
            sliced_rate = bench.turn(lambda: agent.run("whole", bench.client(bench.window(seconds), 1000)))["completions"]
            turns.append((native, sliced, sliced_rate / max(1, native_rate)))
    bench.details["turns"] = turns

    def ratio(key):
        return median(sliced[key] / native[key] for native, sliced, _ in turns)

    def native_us(key):
        return f"native {median(native[key] for native, _, _ in turns) / 1000:.1f} us"

    return [
        Row("launch + finish", "sliced / native", ratio("launch_finish"), "x", 1.05, beside=native_us("launch_finish")),
        Row("launch in a row of 1,000", "sliced / native", ratio("pipelined"), "x", 1.05, beside=native_us("pipelined")),
        Row("throughput, 1 ms kernels, depth 8", "sliced / native", median(t[2] for t in turns), "x", 0.98, at_least=True),
    ]
