"""Many remote sessions on one card, of which one crashes each second."""
import time

from harness import NS, BenchError, now_ns, sleep_until
from remote import Lender
from report import Row

TITLE = "32 remote sessions on one XPU, one of them crashing each second"
KERNEL_US = 1000
SURVIVORS, QUICK_SURVIVORS = 31, 4
SMALL = {"compute": 1, "memory": "64Mi"}  # of each slice


def start_survivors(bench, lender, count: int, window: tuple[int, int]) -> list:
    """One after the other: loading a driver takes a core."""
    running = []
    for _ in range(count):
        running.append(lender.begin("tcp", bench.client(window, KERNEL_US, 2), **SMALL))
        while len(lender.sessions()) < len(running):
            if running[-1].poll() is not None:
                bench.collect(running)
                raise BenchError("a program ended before its window")
            time.sleep(0.05)
    return running


def crash_each_second(bench, lender, until_ns: int) -> list:
    """Fewer when the machine does not get workers ready so fast: no more than two wait for one."""
    crashed = []
    while now_ns() < until_ns - NS:
        began = now_ns()
        if sum(process.poll() is None for process in crashed) < 2:
            crashed.append(lender.begin("tcp", [bench.binary("xpool_bench_crash")], **SMALL))
        sleep_until(began + NS)
    return crashed


def shares(results: list[dict], first: int, last: int) -> list[float]:
    done = [sum(result["per_50ms"][first:last]) for result in results]
    return [100 * count / max(1, sum(done)) for count in done]


def together(bench, lender) -> dict:
    count, seconds = (QUICK_SURVIVORS, 4) if bench.quick else (SURVIVORS, 40)
    lead_ns = (8 + 4 * count) * NS
    window = (now_ns() + lead_ns, now_ns() + lead_ns + 2 * seconds * NS)
    running = start_survivors(bench, lender, count, window)
    half_ns = window[0] + seconds * NS
    sleep_until(half_ns)
    crashed = crash_each_second(bench, lender, window[1])
    results = bench.collect(running)
    crashes = 0
    for process in crashed:
        _, errors = process.communicate(timeout=60)
        crashes += process.returncode == 1 and "the kernel did not crash" not in errors
    half = len(results[0]["per_50ms"]) // 2
    return {"quiet": shares(results, 0, half), "crashing": shares(results, half, 2 * half), "crashes": crashes,
            "started": len(crashed), "seconds": seconds, "completions": [result["completions"] for result in results]}


def run(bench):
    bench.loops(KERNEL_US)
    with Lender(bench, warm=2) as lender:
        turn = bench.turn(lambda: together(bench, lender))
    bench.details.update(turn)
    moved = [abs(after - before) for before, after in zip(turn["quiet"], turn["crashing"])]
    return [Row("share among the survivors", "moved by the crashes, worst", max(moved), "points", 2,
                beside=f"{len(moved)} survivors, {turn['crashes']} crashes in {turn['seconds']} s"),
            Row("programs that crashed, of those meant to", f"{turn['started']}", turn["crashes"], "programs", turn["started"], at_least=True,
                beside="each lost its slice; no call of a survivor failed, else there were no figures")]
