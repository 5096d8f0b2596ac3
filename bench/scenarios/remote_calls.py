"""What calls cost in a remote slice: against the same slice locally, in units of the way's own round trip."""
import os

from remote import LOCAL, WAYS, Lender, floors
from report import Row, median

TITLE = "calls in remote slices, against the local slice and the round trip of the channel alone"
CORES_TO_SPIN = 4  # from which on both ends look a while before they sleep (src/transport/spin.h)


def one_turn(bench, lender) -> dict:
    launch = [bench.binary("xpool_bench_launch")] + (["--launches", "500", "--rows", "5"] if bench.quick else [])
    calls = [bench.binary("xpool_bench_calls")] + (["--trips", "300", "--rows", "5"] if bench.quick else [])

    def both(run):
        return {**run(launch), **run(calls)}
    turn = {"floor": bench.turn(lambda: {way: figure["real_time"] for way, figure in floors(bench, "RoundTrip").items()}),
            "native": bench.turn(lambda: both(bench.run))}
    for way in (LOCAL, *WAYS):
        turn[way] = bench.turn(lambda: both(lambda program: lender.measure(way, program)))
    return turn


def round_trip_rows(measure: str, key: str, limit: float, turns: list[dict]) -> list[Row]:
    def us(way):
        return median(turn[way][key] for turn in turns) / 1000
    rows = []
    for way in WAYS:
        floor_us = median(turn["floor"][way] for turn in turns) / 1000
        over = median((turn[way][key] - turn[LOCAL][key]) / turn["floor"][way] for turn in turns)
        rows.append(Row(measure, f"({way} - local) / round trip", over, "x", None if way == "tls" else limit,
                        beside=f"{way} {us(way):.1f}, local {us(LOCAL):.1f}, native {us('native'):.1f}, round trip {floor_us:.1f} us"))
    return rows


def spinning_row(turns: list[dict]) -> Row:
    measure, asked, goal = "launch + finish, both ends spin", "ring - local", 15
    cores = len(os.sched_getaffinity(0))
    if cores < CORES_TO_SPIN:
        return Row(measure, asked, None, "us", goal, beside=f"needs {CORES_TO_SPIN} cores, there are {cores}")
    over = median(turn["ring"]["launch_finish"] - turn[LOCAL]["launch_finish"] for turn in turns)
    return Row(measure, asked, over / 1000, "us", goal)


def call_rows(measure: str, key: str, limit_us: float, turns: list[dict]) -> list[Row]:
    def us(way):
        return median(turn[way][key] for turn in turns) / 1000
    return [Row(measure, way, us(way), "us", limit_us, beside=f"local {us(LOCAL):.2f}, native {us('native'):.2f} us") for way in WAYS]


def run(bench):
    with Lender(bench) as lender:
        turns = [one_turn(bench, lender) for _ in range(bench.repeat)]
    bench.details["turns"] = turns
    return [*call_rows("launch in a row of 1,000", "pipelined", 5, turns),
            *round_trip_rows("launch + finish", "launch_finish", 1.3, turns),
            spinning_row(turns),
            *round_trip_rows("write + launch + read, 4 KiB", "write_launch_read", 1.5, turns),
            *call_rows("create + release a kernel", "kernel", 1, turns),
            *call_rows("create + release a buffer", "buffer", 1, turns),
            *call_rows("create + release a user event", "user_event", 1, turns)]
