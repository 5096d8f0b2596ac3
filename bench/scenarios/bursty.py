"""Four bursty programs in slices, against one at a time holding the whole XPU."""
from report import Row, median

TITLE = "four bursty programs share the XPU"
KERNEL_US = 1000


def run(bench):
    seconds = bench.seconds(20, 3)
    seeds = (11, 22, 33, 44)
    bench.loops(KERNEL_US)

    def program(window, seed):
        return bench.client(window, KERNEL_US, 4, "--pattern", "bursty", "--seed", str(seed))

    def total(results):
        return sum(result["completions"] for result in results)

    gains, native_gains = [], []
    with bench.agent() as agent:
        for seed in seeds:
            agent.slice(f"b{seed}", 25)
        for _ in range(bench.repeat):
            # One at a time: each has the whole XPU for a quarter of the time.
            alone = 0
            for seed in seeds:
                alone += bench.turn(lambda: bench.run(program(bench.window(seconds / 4), seed)))["completions"]

            def all_sliced():
                window = bench.window(seconds, 4)
                return bench.collect([agent.start(f"b{seed}", program(window, seed)) for seed in seeds])

            def all_native():
                window = bench.window(seconds, 4)
                return bench.collect([bench.spawn(program(window, seed)) for seed in seeds])

            gains.append(total(bench.turn(all_sliced)) / max(1, alone))
            native_gains.append(total(bench.turn(all_native)) / max(1, alone))
    bench.details.update(gains=gains, native_gains=native_gains)
    return [Row("total throughput", "against one at a time", median(gains), "x", 3, at_least=True,
                beside=f"native sharing {median(native_gains):.2f}x")]
