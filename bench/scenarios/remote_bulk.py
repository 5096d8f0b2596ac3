"""Writing and reading 64 MiB in a remote slice, against the same bytes through the channel alone."""
from remote import LOCAL, WAYS, Lender, floors
from report import Row, median

TITLE = "64 MiB written and read in remote slices, against the channel alone"
GOALS = {"tcp": 0.9, "tls": 0.8}  # of the floor
RING_GOAL = 6                     # GB/s


def one_turn(bench, lender) -> dict:
    program = [bench.binary("xpool_bench_bulk"), "--rounds", "3" if bench.quick else "20"]
    turn = {"floor": bench.turn(lambda: {way: {"bulk": figure["bytes_per_second"]} for way, figure in floors(bench, "Bulk").items()})}
    for way in (LOCAL, *WAYS):
        turn[way] = bench.turn(lambda: lender.measure(way, program))
    return turn


def row(way: str, direction: str, turns: list[dict]) -> Row:
    def speed(of, key):
        return median(turn[of][key] for turn in turns) / 1e9
    got, floor = speed(way, direction), median(turn["floor"][way]["bulk"] for turn in turns) / 1e9
    beside = f"local {speed(LOCAL, direction):.2f}, channel alone {floor:.2f} GB/s"
    if way not in GOALS:
        return Row(f"{direction} 64 MiB", way, got, "GB/s", RING_GOAL, at_least=True, beside=beside)
    ratio = median(turn[way][direction] / turn["floor"][way]["bulk"] for turn in turns)
    return Row(f"{direction} 64 MiB", f"{way} / channel alone", ratio, "x", GOALS[way], at_least=True, beside=f"{way} {got:.2f}, {beside}")


def run(bench):
    with Lender(bench) as lender:
        turns = [one_turn(bench, lender) for _ in range(bench.repeat)]
    bench.details["turns"] = turns
    return [row(way, direction, turns) for way in WAYS for direction in ("write", "read")]
