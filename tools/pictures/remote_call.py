#!/usr/bin/python3
"""Draws docs/pictures/remote-call.svg: one launch and clFinish in a remote slice, who runs and who sleeps when.

Starts an agent of its own, lets xpool_bench_launch launch and finish in a slice behind a worker of this machine (ring) and in one
reached over loopback (TCP), traces client and worker with perf, and draws the iteration of median length of each. Measured data
only. Needs root for perf, and a release build of xpool, xpoold, xpool-worker, xpool_opencl_shim, xpool_remote_driver and
xpool_bench_launch. Python's standard library and perf(1) only.
"""
import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
from harness import Agent, Client, wait_for  # noqa: E402
from thread_picture import Panel, draw  # noqa: E402
from thread_trace import Thread, Trace, read, record  # noqa: E402

SLICE = ["--compute", "50%", "--memory", "512Mi"]
WAITS = {"futex wait", "poll", "ppoll", "recv"}
ENOUGH_CALLS = 3000  # of the loop that is traced: what came before was set-up


def loop(agent: Agent, launches: int) -> list[str]:
    return [str(agent.build / "bin/xpool_bench_launch"), "--launches", str(launches), "--rows", "1"]


def untraced_us(agent: Agent, way: str | None) -> float:
    """The benchmark's own median in a slice by |way|; None: natively."""
    command = loop(agent, 5000)
    if way is not None:
        command = [str(agent.build / "bin/xpool"), "run", *SLICE, *agent.where(way), "--", *command]
    done = subprocess.run(command, env=agent.environment, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed: {done.stderr}")
    return json.loads(done.stdout)["launch_finish"] / 1000


def worker_of(agent: Agent, client: Client, known: set[int]) -> int:
    """The process that serves |client|, once the loop runs."""
    def found():
        if client.process.poll() is not None:
            raise SystemExit(f"the program ended: {client.errors}")
        for session in agent.sessions():
            remote = session.get("remote")
            if remote and int(session["pid"]) not in known and int(remote["calls"]) > ENOUGH_CALLS:
                return int(session["pid"])
        return None
    return wait_for(found, "the loop to run behind a worker", 120)


def iterations(thread: Thread) -> list[tuple[int, int]]:
    """When the loop's rounds began and ended. A thread that waits for an answer takes the channel out of its keeper's poll set
    before and puts it back after: two epoll_ctl a round, and waiting between them and nowhere else."""
    places = [i for i, call in enumerate(thread.calls) if call.name == "epoll_ctl" and call.end_ns]
    ends = []
    for first, second in zip(places, places[1:]):
        if any(call.name in WAITS for call in thread.calls[first + 1:second]):
            ends.append((first, second))
    rounds = []
    for (_, before), (first, second) in zip(ends, ends[1:]):
        if places.index(first) == places.index(before) + 1:
            rounds.append((thread.calls[before].end_ns, thread.calls[second].end_ns))
    return rounds


def median_round(rounds: list[tuple[int, int]]) -> tuple[int, int]:
    if len(rounds) < 20:
        raise SystemExit(f"only {len(rounds)} rounds were traced; is the machine overloaded?")
    return sorted(rounds, key=lambda ends: ends[1] - ends[0])[len(rounds) // 2]


def name_of(thread: Thread, client: int, drivers: list[int]) -> str:
    if thread.pid == client:
        return "program's thread" if thread.tid == client else {"xpool-remote": "client's keeper"}.get(thread.name, thread.name)
    if thread.name == "xpool-calls":
        return "worker's lane thread"
    return f"driver's thread {drivers.index(thread.tid) + 1}" if thread.tid in drivers else f"worker: {thread.name}"


def lanes_of(trace: Trace, client: int, worker: int, begin_ns: int, end_ns: int) -> list[tuple[str, Thread]]:
    """The threads that ran meanwhile, those of the program first."""
    def ran(thread: Thread) -> bool:
        return any(s.state == "runs" and s.end_ns > begin_ns and s.begin_ns < end_ns for s in thread.stretches)

    order = {"xpool-calls": 1}
    present = sorted((t for t in trace.threads.values() if ran(t)),
                     key=lambda t: (t.pid != client, t.tid != client, order.get(t.name, 2), t.tid))
    # What the driver starts bears the process's name, what is ours one of its own.
    drivers = [t.tid for t in present if t.pid == worker and t.name == "xpool-worker" and t.tid != worker]
    return [(name_of(thread, client, drivers), thread) for thread in present]


def trace_one(agent: Agent, title: str, way: str, seconds: float, known: set[int]) -> Panel:
    untraced = untraced_us(agent, way)
    client = agent.run(*SLICE, *agent.where(way), "--", *loop(agent, 10_000_000))
    worker = worker_of(agent, client, known)
    known.add(worker)
    program = client.program_pid()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "perf.data"
        trace = read(file, record([program, worker], seconds, file))
    client.kill()
    rounds = iterations(trace.threads[program])
    begin_ns, end_ns = median_round(rounds)
    note = (f"the median one of {len(rounds)} traced rounds, {(end_ns - begin_ns) / 1000:.0f} µs; "
            f"without tracing the benchmark's median is {untraced:.0f} µs")
    return Panel(title, note, begin_ns, end_ns, lanes_of(trace, program, worker, begin_ns, end_ns), trace)


def processor() -> str:
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return f"{os.cpu_count()} cores ({found.group(1) if found else platform.machine()})"


def device_name(agent: Agent) -> str:
    return json.loads(agent.cli("devices", "--json").stdout)["xpus"][0]["name"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build/release")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/pictures/remote-call.svg")
    parser.add_argument("--seconds", type=float, default=0.5, help="how long to trace each")
    parser.add_argument("--nice", type=int, default=0, help="nice value of agent, worker and program, on a machine that is busy")
    arguments = parser.parse_args()
    os.nice(arguments.nice)
    load = os.getloadavg()[0]
    with Agent(arguments.build, False, ("--listen-plain", "127.0.0.1:0")) as agent:
        known: set[int] = set()
        panels = [trace_one(agent, "Ring of shared memory (xpool run --isolated)", "ring", arguments.seconds, known),
                  trace_one(agent, "TCP over loopback (xpool run --on … --plain)", "tcp", arguments.seconds, known)]
        notes = [f"{processor()}, Linux {platform.release()}, {device_name(agent)}; load average {load:.1f}"
                 + (f", all this at nice {arguments.nice}" if arguments.nice else ""),
                 f"The same loop natively: {untraced_us(agent, None):.0f} µs; in a local slice: {untraced_us(agent, 'slice'):.0f} µs. "
                 "Tracing costs some microseconds a system call and switch, as each panel says."]
    arguments.output.write_text(draw("One launch of an empty kernel and clFinish in a remote slice", notes, panels))
    print(f"{arguments.output}:", *notes, *(f"{panel.title}: {panel.note}" for panel in panels), sep="\n  ")


if __name__ == "__main__":
    main()
