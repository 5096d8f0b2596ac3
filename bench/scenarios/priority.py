"""Latency of a high-priority program's 1 ms requests over a low-priority one that saturates the XPU."""
from report import Row, median, quantile

TITLE = "high-priority requests over a saturating low-priority slice"
LOW_KERNEL_US = 2000
PERIOD_MS = 9.3  # no multiple of the quantum
REQUESTS = 1100


def run(bench):
    seconds = (150 if bench.quick else REQUESTS) * PERIOD_MS / 1000
    periodic = ("--pattern", "periodic", "--period-ms", str(PERIOD_MS))
    bench.loops(1000)
    bench.loops(LOW_KERNEL_US)

    def requests(window):
        return bench.client(window, 1000, 1, *periodic)

    def saturating(window):
        return bench.client(window, LOW_KERNEL_US, 16)

    def p99_ms(start_all):
        result = bench.turn(lambda: bench.collect(start_all(bench.window(seconds, 2))))[0]
        return quantile(result["latency_ns"], 0.99) / 1e6

    solo, native, sliced = [], [], []
    with bench.agent() as agent:
        agent.slice("high", 20, priority="high")
        agent.slice("low", 50, priority="low")
        for _ in range(bench.repeat):
            solo.append(p99_ms(lambda w: [bench.spawn(requests(w))]))
            native.append(p99_ms(lambda w: [bench.spawn(requests(w)), bench.spawn(saturating(w))]))
            sliced.append(p99_ms(lambda w: [agent.start("high", requests(w)), agent.start("low", saturating(w))]))
    bench.details.update(solo_p99_ms=solo, native_p99_ms=native, sliced_p99_ms=sliced)
    return [Row("P99 of 1 ms requests", "solo + kernel + 2 ms", median(sliced), "ms", median(solo) + LOW_KERNEL_US / 1000 + 2,
                beside=f"solo {median(solo):.2f} ms"),
            Row("P99 of 1 ms requests", "below native sharing", median(sliced), "ms", median(native))]
