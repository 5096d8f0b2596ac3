"""What a worker takes of memory, against a process that runs the same program in a local slice."""
import subprocess
import time
from pathlib import Path

from harness import NS, BenchError, now_ns, sleep_until
from remote import LOCAL, Lender
from report import Row, median

TITLE = "a worker's memory, against the same program's own process in a local slice"
KERNEL_US = 1000


def memory_mib(pid: int) -> dict[str, float]:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    sizes = dict(line.split(":", 1) for line in rollup.splitlines()[1:])
    return {name: int(sizes[name].split()[0]) / 1024 for name in ("Pss", "Rss", "Private_Dirty")}


def pid_in(lender, slice_known: set[int], process: subprocess.Popen) -> int:
    """The session that is new since |slice_known|: the program's, or its worker's."""
    for _ in range(400):
        new = [session["pid"] for session in lender.sessions() if session["pid"] not in slice_known]
        if new:
            return new[0]
        if process.poll() is not None:
            raise BenchError(f"a program did not begin: {process.communicate()[1].strip()}")
        time.sleep(0.05)
    raise BenchError("a program did not begin within 20 s")


def together(bench, lender) -> dict:
    """Both at once, so that what they share is divided among equally many."""
    start = now_ns() + 12 * NS
    program = bench.client((start, start + 2 * NS), KERNEL_US, 4)
    local = lender.begin(LOCAL, program)
    local_pid = pid_in(lender, set(), local)
    remote = lender.begin("tcp", program)
    worker_pid = pid_in(lender, {local_pid}, remote)
    sleep_until(start + NS)
    figures = {"local": memory_mib(local_pid), "worker": memory_mib(worker_pid)}
    bench.collect([local, remote])
    return figures


def run(bench):
    bench.loops(KERNEL_US)
    with Lender(bench) as lender:
        turns = [together(bench, lender) for _ in range(bench.repeat)]
    bench.details["turns_mib"] = turns

    def row(name, goal):
        both = {of: median(turn[of][name] for turn in turns) for of in ("worker", "local")}
        return Row(f"memory, {name}", "worker - local process", median(turn["worker"][name] - turn["local"][name] for turn in turns), "MiB",
                   goal, beside=f"worker {both['worker']:.1f}, local process {both['local']:.1f} MiB")
    return [row("Pss", 32), row("Rss", None), row("Private_Dirty", None)]
