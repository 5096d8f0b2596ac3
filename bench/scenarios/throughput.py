"""Total throughput of two programs in slices, against native time-sharing of the same two."""
from harness import sleep_until
from report import Row, median

TITLE = "total throughput of two slices against native time-sharing"
CASES = [  # name, kernel us, depth, groups, goal for sliced / native (None: the cost of exclusivity, stated)
    ("device-filling 2 ms, deep", 2000, 8, "device", 0.97),
    ("short 100 us, deep", 100, 8, "device", None),
    ("1 ms, depth 1", 1000, 1, "device", None),
    ("one workgroup 1 ms, deep", 1000, 8, "one", 0.9),
]


def used_part(trace: dict) -> float:
    """Of the time in which somebody wanted the XPU: what was not spent in hand-over or grace."""
    time_ns = {}
    for xpu in trace["xpus"]:
        for state, ns in xpu["xpu_time_ns"].items():
            time_ns[state] = time_ns.get(state, 0) + ns
    lost = sum(time_ns.get(state, 0) for state in ("hand-over", "grace"))
    working = time_ns.get("working", 0)
    return working / (working + lost) if working else 0.0


def run(bench):
    seconds = bench.seconds(8, 1)
    rows = []
    with bench.agent() as agent:
        agent.slice("a", 50)
        agent.slice("b", 50)

        def sliced(program_of, seconds):
            window = bench.window(seconds, 2)
            programs = [agent.start(name, program_of(window)) for name in "ab"]
            sleep_until(window[0])
            *results, traced = bench.collect([*programs, agent.start_trace(seconds * 0.9)])
            return sum(r["completions"] for r in results), used_part(traced)

        def native(program_of):
            window = bench.window(seconds, 2)
            return sum(r["completions"] for r in bench.collect([bench.spawn(program_of(window)) for _ in range(2)]))

        for name, us, depth, groups, goal in CASES:
            def program_of(window):
                return bench.client(window, us, depth, groups=groups)
            bench.loops(us, groups)
            turns = []
            for _ in range(bench.repeat):
                natively = bench.turn(lambda: native(program_of))
                total, used = bench.turn(lambda: sliced(program_of, seconds))
                turns.append((total / max(1, natively), used))
            bench.details[name] = turns
            ratio = median(t[0] for t in turns)
            rows.append(Row(name, "sliced / native", ratio, "x", goal, at_least=True,
                            beside="" if goal else "the cost of exclusive leases"))
            rows.append(Row(name, "not hand-over or grace", median(t[1] for t in turns), "", None if goal == 0.97 else 0.95,
                            at_least=True))
    return rows
