#!/usr/bin/python3
"""`./dev bench`: measures xpool's speed and accuracy, native and in slices in turns, against the goals.

Each scenario (bench/scenarios/*.py) prints a table of what was asked, got and wanted, and writes out/bench/NAME.json.
A turn in which programs other than the benchmark's own used more than 2 % of the CPU is thrown away and repeated.
"""
import argparse
import importlib
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import Bench, BenchError  # noqa: E402
from report import print_rows, write_json  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
ORDER = ["launch", "shim_cost", "handover", "shares", "throughput", "limits", "elastic", "priority", "bursty", "recovery",
         "many", "agent_cost", "remote_calls", "remote_bulk", "remote_programs", "remote_attach", "remote_crowd", "remote_cut",
         "remote_memory", "placement_speed", "placement_openb", "placement_mixes"]


def load(name: str):
    return importlib.import_module(f"scenarios.{name}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build/release", help="where bin/ and lib/ are")
    parser.add_argument("--list", action="store_true", help="name the scenarios")
    parser.add_argument("--only", action="append", metavar="NAME", choices=ORDER, help="only this one; repeatable")
    parser.add_argument("--quick", action="store_true", help="short windows, one repetition: shows that it works, not how well")
    parser.add_argument("--repeat", type=int, help="turns per figure (default 5, with --quick 1)")
    parser.add_argument("--keep-noisy", action="store_true", help="do not throw away turns with foreign CPU load")
    parser.add_argument("--out", type=Path, default=ROOT / "out/bench", help="folder of the JSON files")
    return parser.parse_args()


def run_one(bench: Bench, name: str, out: Path) -> bool:
    scenario = load(name)
    print(f"\n{name}: {scenario.TITLE}", flush=True)
    began = time.monotonic()
    bench.details = {}
    try:
        rows = scenario.run(bench)
    except BenchError as error:
        print(f"  failed: {error}", flush=True)
        write_json(out / f"{name}.json", {"scenario": name, "error": str(error)})
        return False
    print_rows(rows)
    write_json(out / f"{name}.json", {
        "scenario": name, "title": scenario.TITLE, "quick": bench.quick, "repeat": bench.repeat,
        "seconds": round(time.monotonic() - began, 1), "noisy_turns": bench.take_noise(),
        "rows": [row.as_dict() for row in rows], "details": bench.details})
    return True


def main() -> int:
    arguments = parse_arguments()
    if arguments.list:
        for name in ORDER:
            print(f"{name:<16} {load(name).TITLE}")
        return 0
    bench = Bench(arguments.build.resolve(), quick=arguments.quick, repeat=arguments.repeat,
                  keep_noisy=arguments.keep_noisy)
    failed = [name for name in arguments.only or ORDER if not run_one(bench, name, arguments.out)]
    if failed:
        print(f"\nnot measured: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
