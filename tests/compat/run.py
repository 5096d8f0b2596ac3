#!/usr/bin/python3
"""Runs real programs natively and in slices, compares their outputs, and writes docs/compatibility.md.

Called by `./dev compat`. Natively first: a program that does not work on this machine's driver says nothing about xpool. Then in a
slice of its own process, and in remote ones: behind a worker of this machine (ring) and over loopback (TCP). Outputs of all runs
are kept in out/compat/PROGRAM/.
"""
import argparse
import difflib
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
from harness import Agent  # noqa: E402
from programs import Program, all_programs  # noqa: E402

SLICE = ["--compute", "50%", "--memory", "2Gi"]
WAYS = ("slice", "ring", "tcp")


@dataclass
class Row:
    name: str
    version: str
    what: str
    native: str
    slice: str = "-"
    ring: str = "-"
    tcp: str = "-"
    result: str = "not run"
    notes: str = ""


def version_of(program: Program) -> str:
    try:
        done = subprocess.run(program.version, capture_output=True, text=True, timeout=60)
    except OSError:
        return "?"
    text = (done.stdout or done.stderr).strip()
    for line in text.splitlines():
        if line.startswith("Version:"):
            return line.split()[1]
    words = text.splitlines()[0].split() if text else ["?"]
    return words[-1].removeprefix("v")


def run_all(program: Program, work: Path, prefix: list[str], environment: dict[str, str], kind: str) -> tuple[int, str]:
    """Exit status and output; what is printed is kept in a file."""
    output, status = "", 0
    for command in program.commands:
        try:
            done = subprocess.run([*prefix, *command], cwd=work, env={**environment, **program.environment}, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=program.timeout, errors="replace")
            status, text = status or done.returncode, done.stdout
        except subprocess.TimeoutExpired:
            status, text = 124, f"did not end within {program.timeout:.0f} s\n"
        output += text
    (work / f"{kind}.txt").write_text(output)
    return status, output


def describe(status: int, seconds: float) -> str:
    return f"{'ok' if status == 0 else f'exit {status}'}, {seconds:.0f} s"


def timed(*arguments) -> tuple[int, str, float]:
    began = time.monotonic()
    status, output = run_all(*arguments)
    return status, output, time.monotonic() - began


def compare(program: Program, work: Path, agent: Agent) -> Row:
    work.mkdir(parents=True, exist_ok=True)
    row = Row(program.name, "?", program.what, "-")
    try:
        program.prepare(work)
    except (RuntimeError, OSError, StopIteration) as error:
        row.notes = f"cannot be set up here: {str(error).splitlines()[-1][:120]}"
        return row
    row.version = version_of(program)
    clean = {name: value for name, value in agent.environment.items() if name != "XPOOL_DIR"}
    status, output, seconds = timed(program, work, [], clean, "native")
    row.native = describe(status, seconds)
    if status not in program.statuses:
        row.notes = "does not work natively on this driver"
        return row
    problems = [compare_way(program, work, agent, way, (status, program.normalise(output, work)), row) for way in WAYS]
    row.result = "FAIL" if any(problems) else "pass"
    row.notes = "; ".join(filter(None, problems)) or by_design(program)
    return row


def by_design(program: Program) -> str:
    remote = program.remote_differences and f"in ring and TCP {program.remote_differences}"
    differences = "; ".join(filter(None, (program.differences, remote)))
    return differences and f"differs by design: {differences}"


def comparable(program: Program, way: str, normalised: str) -> list[str]:
    lines = normalised.splitlines()
    return lines if way == "slice" else [line for line in lines if not any(part in line for part in program.remote_lines)]


def compare_way(program: Program, work: Path, agent: Agent, way: str, native: tuple[int, str], row: Row) -> str:
    """Runs |program| in a slice reached by |way|, notes how long it took in |row|, and returns what differs from |native|."""
    prefix = [str(agent.build / "bin/xpool"), "run", *SLICE, *agent.where(way), "--"]
    status, output, seconds = timed(program, work, prefix, agent.environment, way)
    setattr(row, way, describe(status, seconds))
    try:
        in_slice = program.normalise(output, work)
    except (OSError, SyntaxError) as error:
        in_slice = f"no result: {error}"
    expected, got = comparable(program, way, native[1]), comparable(program, way, in_slice)
    difference = list(difflib.unified_diff(expected, got, "native", way, n=0, lineterm=""))
    (work / f"difference-{way}.txt").write_text("\n".join(difference) + "\n")
    if not difference and status == native[0] and expected:
        return ""
    return f"{way}: {first_difference(difference, native[0], status)}"


def first_difference(difference: list[str], native: int, in_slice: int) -> str:
    if native != in_slice:
        return f"exit status {in_slice} instead of {native}"
    changed = [line for line in difference[2:] if line[:1] in "+-"]
    return f"{len(changed)} lines differ, first: `{changed[0][:80]}`" if changed else "no output to compare"


def table(rows: list[Row], device: str) -> str:
    lines = ["# Compatibility", "",
             "Programs that nobody here wrote, run natively and unmodified in slices (`xpool run " + " ".join(SLICE) + "`), and their",
             "outputs compared. Written by `./dev compat`; do not edit. *ring*: behind a worker process, over shared memory (`--isolated`);",
             "*TCP*: behind a worker reached over loopback (`--on`). *pass*: in each way the same exit status and the same output, but for what",
             "differs from run to run or by design, as the notes say.", "",
             f"Device: {device}. System: {platform.freedesktop_os_release().get('PRETTY_NAME', 'Linux')}, Linux {platform.release()}.", "",
             "| program | version | what is run | native | slice | ring | TCP | result | notes |", "|---|---|---|---|---|---|---|---|---|"]
    lines += ["| " + " | ".join(getattr(row, field.name) for field in fields(Row)) + " |" for row in rows]
    lines += ["", "GROMACS in Debian 12 is built without OpenCL; darktable 4.2 leaves CPU devices out, and PoCL 3.1 does not compile its kernels when\nit is made to take one. Neither is in the table.", ""]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=ROOT / "build/release", type=Path)
    parser.add_argument("--out", default=ROOT / "out/compat", type=Path)
    parser.add_argument("--table", default=ROOT / "docs/compatibility.md", type=Path)
    parser.add_argument("--only", action="append", help="a program's name; the table keeps the others' last rows")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    out = arguments.out.resolve()
    results = out / "results.json"
    rows = {entry["name"]: Row(**entry) for entry in json.loads(results.read_text())} if results.exists() else {}
    programs = all_programs(out)
    with Agent(arguments.build, null=False, arguments=("--listen-plain", "127.0.0.1:0")) as agent:
        device = json.loads(agent.cli("devices", "--json").stdout)["xpus"][0]
        for program in programs:
            if arguments.only and program.name not in arguments.only:
                continue
            print(f"{program.name:20} ... ", end="", flush=True)
            row = rows[program.name] = compare(program, out / program.name, agent)
            print(f"{row.result:8} native {row.native:14} slice {row.slice:14} ring {row.ring:14} TCP {row.tcp:14} {row.notes}", flush=True)
            results.write_text(json.dumps([asdict(row) for row in rows.values()], indent=1))
    ordered = [rows[program.name] for program in programs if program.name in rows]
    arguments.table.write_text(table(ordered, f"{device['name']} ({device.get('platform_name', '')})"))
    failed = [row.name for row in ordered if row.result == "FAIL"]
    print(f"{len(ordered) - len(failed)} of {len(ordered)} pass; the table is {os.path.relpath(arguments.table, Path.cwd())}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
