"""Charged and work shares of always-busy programs, against their guarantees."""
from harness import sleep_until, work_seconds
from report import Row, median

TITLE = "shares under contention: charged time and work done"
SETS = [(10, 90), (30, 70), (50, 50), (10, 20, 30, 40)]
LENGTHS_US = {"equal": (2000, 2000), "50:1": (200, 10_000)}


def kernels(count: int, lengths: tuple[int, int]) -> list[int]:
    return [lengths[i % 2] for i in range(count)]


def sliced_turn(bench, agent, names, lengths, depth, seconds):
    window = bench.window(seconds, len(names))
    programs = [agent.start(name, bench.client(window, us, depth)) for name, us in zip(names, lengths)]
    sleep_until(window[0])
    before = agent.usage()
    sleep_until(window[1] - 60_000_000)  # listing takes a moment, and must not reach past the window
    after = agent.usage()
    results = bench.collect(programs)
    charged = [after[name]["usage"]["contended_ns"] - before[name]["usage"]["contended_ns"] for name in names]
    return charged, [work_seconds(result, us) for result, us in zip(results, lengths)]


def native_turn(bench, lengths, depth, seconds):
    window = bench.window(seconds, len(lengths))
    results = bench.collect([bench.spawn(bench.client(window, us, depth)) for us in lengths])
    return [work_seconds(result, us) for result, us in zip(results, lengths)]


def solo_turn(bench, us, depth, seconds):
    return native_turn(bench, [us], depth, seconds)[0]


def normalised(values):
    total = sum(values)
    return [value / total if total else 0 for value in values]


def run(bench):
    seconds = bench.seconds(10, 1.5)
    sets = SETS[1:2] + SETS[3:] if bench.quick else SETS
    charged_errors, work_errors = [], {8: [], 1: []}
    for length in sorted({us for pair in LENGTHS_US.values() for us in pair}):
        bench.loops(length)
    bench.details["sets"] = []
    with bench.agent() as agent:
        for kind, pair in LENGTHS_US.items():
            for depth in (8, 1):
                turns = {shares: [] for shares in sets}
                for _ in range(bench.repeat):
                    solo = {us: bench.turn(lambda: solo_turn(bench, us, depth, bench.seconds(4, 0.5))) / bench.seconds(4, 0.5)
                            for us in sorted(set(pair))}
                    for shares in sets:
                        names = [f"part{i}" for i in range(len(shares))]
                        lengths = kernels(len(shares), pair)
                        for name, share in zip(names, shares):
                            agent.slice(name, share)
                        charged, work = bench.turn(lambda: sliced_turn(bench, agent, names, lengths, depth, seconds))
                        native = bench.turn(lambda: native_turn(bench, lengths, depth, bench.seconds(4, 0.5)))
                        agent.delete(*names)
                        turns[shares].append((normalised(charged),
                                              normalised([w / solo[us] for w, us in zip(work, lengths)]),
                                              normalised([w / solo[us] for w, us in zip(native, lengths)])))
                for shares, results in turns.items():
                    charged, work, native = ([median(turn[kind_of][i] for turn in results) for i in range(len(shares))]
                                             for kind_of in range(3))
                    bench.details["sets"].append({"asked": shares, "kernels": kind, "depth": depth, "charged": charged,
                                                  "work": work, "native_work": native})
                    charged_errors += [abs(got * 100 - due) for got, due in zip(charged, shares)]
                    work_errors[depth] += [abs(got * 100 - due) for got, due in zip(work, shares)]
                    print(f"  {'/'.join(map(str, shares)):<12} {kind:<6} depth {depth}: charged "
                          f"{' '.join(f'{x:.1%}' for x in charged)}, work {' '.join(f'{x:.1%}' for x in work)}, native work "
                          f"{' '.join(f'{x:.1%}' for x in native)}", flush=True)
    deep, shallow = work_errors[8], work_errors[1]
    return [
        Row("charged-share error", "mean of all sets", sum(charged_errors) / len(charged_errors), "points", 0.5,
            beside=f"worst {max(charged_errors):.2f}"),
        Row("work-share error, deep", "mean", sum(deep) / len(deep), "points", 1),
        Row("work-share error, deep", "worst", max(deep), "points", 2),
        Row("work-share error, depth 1", "worst", max(shallow), "points", 5, beside=f"mean {sum(shallow) / len(shallow):.2f}"),
    ]
