"""Programs that compute, in remote slices against the same slice locally; also over networks that are longer or narrower."""
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from harness import BenchError
from remote import LOCAL, Lender, Network
from report import Row, median

TITLE = "programs that compute, in remote slices against the local slice"
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/compat"))
from programs import prepare_venv  # noqa: E402

WORK = ROOT / "out/compat"  # where `./dev compat` has set up the same programs
SOURCES = ROOT / "bench/programs"
GOALS = {"ring": 0.97, "tcp": 0.95}
NETWORKS = [  # Gb/s, round trip us, goal (None: the curve)
    (25, 50, 0.9), (10, 100, None), (10, 500, None), (1, 100, None), (1, 500, None)]


@dataclass
class Program:
    name: str
    command: Callable[[bool], list[str]]  # of whether it is to be quick
    speed: Callable[[str], float]         # of what it prints; more is better
    unit: str
    prepare: Callable[[], None]


def printed_speed(output: str) -> float:
    return float(json.loads(output.splitlines()[-1])["speed"])


def hashcat_speed(output: str) -> float:
    """Of a line DEVICE:MODE:...:HASHES PER SECOND."""
    lines = [line for line in output.splitlines() if re.match(r"^\d+:0:.*:\d+$", line)]
    if not lines:
        raise BenchError(f"hashcat printed no speed: {output.strip()[-200:]}")
    return float(lines[-1].rsplit(":", 1)[1]) / 1e6


def prepare_hashcat() -> None:
    if shutil.which("hashcat") is None:
        raise BenchError("hashcat is not installed: ./dev compat installs it")


def prepare_gemm() -> None:
    WORK.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["gcc", "-O1", "-DCL_TARGET_OPENCL_VERSION=300", "-DCL_USE_DEPRECATED_OPENCL_1_2_APIS",
                           str(SOURCES / "gemm.c"), "-o", str(WORK / "gemm"), "-lclblast", "-lOpenCL"], capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchError(f"CLBlast cannot be used ({done.stderr.strip()[-200:]}): ./dev compat installs it")


def prepare_tinygrad() -> None:
    try:
        (WORK / "tinygrad").mkdir(parents=True, exist_ok=True)
        prepare_venv(WORK / "tinygrad")
    except RuntimeError as error:
        raise BenchError(f"tinygrad cannot be installed: {error}") from error


PROGRAMS = [
    Program("CLBlast GEMM 1024", lambda quick: [str(WORK / "gemm"), "3" if quick else "30"], printed_speed, "GFLOPS", prepare_gemm),
    Program("tinygrad training", lambda quick: [str(WORK / "tinygrad/venv/bin/python"), str(SOURCES / "tinygrad_steps.py"), "3" if quick else "30"],
            printed_speed, "steps/s", prepare_tinygrad),
    Program("hashcat MD5", lambda quick: ["hashcat", "-b", "-m", "0", "-D", "1,2", "--machine-readable", "--quiet",
                                          *(["--runtime", "4"] if quick else [])], hashcat_speed, "MH/s", prepare_hashcat),
]


def speed_of(bench, lender, program: Program, way: str, **more) -> float:
    lender.await_warm()
    process = lender.begin(way, program.command(bench.quick), **more)
    try:
        out, errors = process.communicate(timeout=900)
    except subprocess.TimeoutExpired as late:
        process.kill()
        raise BenchError(f"{program.name} did not end within {late.timeout:.0f} s ({way})") from late
    if process.returncode != 0:
        raise BenchError(f"{program.name} ended with {process.returncode} ({way}): {errors.strip()[-200:]}")
    return program.speed(out)


def label(gigabits: float, round_trip_us: float) -> str:
    return f"{gigabits} Gb/s, {round_trip_us} us"


def one_turn(bench, lender, program: Program) -> dict:
    turn = {way: bench.turn(lambda: speed_of(bench, lender, program, way)) for way in (LOCAL, *GOALS)}
    for gigabits, round_trip_us, _ in NETWORKS[:1] if bench.quick else NETWORKS:
        with Network(lender, gigabits, round_trip_us) as network:
            turn[label(gigabits, round_trip_us)] = bench.turn(lambda: speed_of(bench, lender, program, "tcp", port=network.port))
    return turn


def rows_of(program: Program, turns: list[dict]) -> list[Row]:
    local = median(turn[LOCAL] for turn in turns)
    goals = {**GOALS, **{label(gigabits, round_trip_us): goal for gigabits, round_trip_us, goal in NETWORKS}}
    return [Row(program.name, f"{way} / local", median(turn[way] / turn[LOCAL] for turn in turns), "x", goals[way], at_least=True,
                beside=f"{median(turn[way] for turn in turns):.2f}, local {local:.2f} {program.unit}") for way in turns[0] if way != LOCAL]


def measured(bench, lender, program: Program) -> list[Row]:
    try:
        program.prepare()
    except BenchError as error:
        return [Row(program.name, "", None, "x", beside=str(error))]
    speed_of(bench, lender, program, LOCAL)  # what it compiles and keeps, it has then
    turns = [one_turn(bench, lender, program) for _ in range(min(bench.repeat, 3))]
    bench.details[program.name] = turns
    return rows_of(program, turns)


def run(bench):
    os.environ.update(GPU="1", CACHELEVEL="0")  # tinygrad's
    with Lender(bench) as lender:
        return [row for program in PROGRAMS for row in measured(bench, lender, program)]
