"""The lease holder is killed: how long until the other runs, and until its memory is given back."""
import os
import signal
import time

from harness import NS, BenchError, now_ns, sleep_until
from report import Row, median

TITLE = "a lease holder is killed with SIGKILL"
KERNEL_US = 1000


def victim_pid(agent) -> int:
    """Waits until the victim holds the lease."""
    for _ in range(200):
        for session in agent.sessions():
            if session["slice_name"] == "victim" and session["lease"] in ("busy", "revoke"):
                return session["pid"]
        time.sleep(0.01)
    raise BenchError("the victim never held the lease")


def one_turn(bench, agent):
    window = bench.window(2.5, 2)
    victim = agent.start("victim", bench.client(window, KERNEL_US, 8, "--memory", str(16 << 20)))
    other = agent.start("other", bench.client(window, KERNEL_US, 8, "--log-completions"))
    sleep_until(window[0] + NS)
    pid = victim_pid(agent)
    killed_ns = now_ns()
    os.kill(pid, signal.SIGKILL)
    while agent.usage()["victim"]["memory_used_bytes"] > 0:
        if now_ns() - killed_ns > 5 * NS:
            raise BenchError("the dead program's memory is still charged after 5 s")
    freed_ms = (now_ns() - killed_ns) / 1e6
    victim.communicate()
    result = bench.collect([other])[0]
    after = [at for at in result["completed_ns"] if at + window[0] > killed_ns]
    if not after:
        raise BenchError("the other program did not run again")
    return (after[0] + window[0] - killed_ns) / 1e6, freed_ms


def run(bench):
    bench.loops(KERNEL_US)
    with bench.agent() as agent:
        agent.slice("victim", 90)
        agent.slice("other", 10)
        turns = [bench.turn(lambda: one_turn(bench, agent)) for _ in range(max(bench.repeat, 1 if bench.quick else 10))]
    bench.details["turns_ms"] = turns
    return [Row("the other runs again", "worst", max(t[0] for t in turns), "ms", 100,
                beside=f"median {median(t[0] for t in turns):.1f} ms"),
            Row("its memory is given back", "worst, with one CLI call", max(t[1] for t in turns), "ms", 100,
                beside=f"median {median(t[1] for t in turns):.1f} ms")]
