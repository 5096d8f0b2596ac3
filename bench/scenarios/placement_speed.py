"""How fast the scheduler decides: a pool kept full, pods coming and going; and large gangs in a SuperPoD."""
from report import Row, median

TITLE = "placement decisions: news of a pod, the decision and its explanation, its confirmation, the end of another"


def run(bench):
    churn = [bench.binary("xpool_bench_churn"), "--decisions", "20000" if bench.quick else "300000"]
    turns = [(bench.turn(lambda: bench.run(churn + ["--nodes", "2500"])), bench.turn(lambda: bench.run(churn + ["--nodes", "157"])))
             for _ in range(bench.repeat)]
    large = [turn[0] for turn in turns]
    gangs = [bench.turn(lambda: bench.run([bench.binary("xpool_bench_gangs"), "--seed", str(seed)]))
             for seed in range(1, bench.repeat + 1)]
    bench.details.update(turns=turns, gangs=gangs)
    rows = [Row("decisions, all their events counted", "20,000 cards", median(of["per_second"] for of in large), "/s", 30_000, True)]
    for name, key, goal in (("99 %", "p99_us", 500), ("99.9 %", "p999_us", 2000), ("longest", "max_us", 10_000)):
        rows.append(Row(f"a decision, {name}", "20,000 cards", median(of[key] for of in large), "us", goal,
                        beside=f"half of them {median(of['p50_us'] for of in large):.1f} us"))
    rows.append(Row("time of one, against 1,256 cards", "20,000 cards",
                    median(small["per_second"] / of["per_second"] for of, small in turns), "x", 2))
    if not bench.quick:
        long = bench.turn(lambda: bench.run([bench.binary("xpool_bench_churn"), "--decisions", "10000000"]))
        bench.details["long"] = long
        rows.append(Row("memory after 10 million, against before", "20,000 cards", long["after_mib"] / long["before_mib"], "x",
                        beside=f"{long['before_mib']:.0f} MiB before; {long['per_second']:.0f}/s, longest {long['max_us'] / 1e3:.1f} ms"))
    for key, asked, goal in (("place_4096_by_node", "70 % full by nodes", 50), ("place_4096_by_card", "70 % full by cards", 50),
                             ("place_8192_by_node", "40 % full by nodes", 100), ("place_8192_by_card", "40 % full by cards", 100),
                             ("evict_8192_by_node", "70 % full by nodes", 1000), ("evict_8192_by_card", "70 % full by cards", 1000)):
        verb, cards = key.split("_")[:2]
        what = "a gang placed" if verb == "place" else "evictions planned"
        count = "members" if verb == "place" else "victims"
        rows.append(Row(f"{what}, {cards} cards of 15,488", asked, median(of[key]["ms"] for of in gangs), "ms", goal,
                        beside=f"{count} {median(of[key][count] for of in gangs):.0f}"))
    return rows
