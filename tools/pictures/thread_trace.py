"""What chosen threads did, from the kernel's tracepoints: recorded by perf (as root), told thread by thread as stretches of
running, being ready to run, sleeping, and system calls. Python's standard library and perf(1) only.
"""
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

# x86-64's numbers of the calls that a session makes; others are shown by number.
CALLS = {0: "read", 1: "write", 7: "poll", 9: "mmap", 10: "mprotect", 11: "munmap", 20: "writev", 24: "sched_yield", 28: "madvise",
         35: "nanosleep", 44: "sendto", 45: "recv", 46: "sendmsg", 47: "recvmsg", 202: "futex", 228: "clock_gettime",
         230: "clock_nanosleep", 232: "epoll_wait", 233: "epoll_ctl", 271: "ppoll", 281: "epoll_pwait", 286: "timerfd_settime"}
FUTEX_WAKES = {1, 10}  # FUTEX_WAKE, FUTEX_WAKE_BITSET; without the private flag
EVENT = re.compile(r"^\s*.+?\s+(\d+)/(\d+)\s+\[(\d+)\]\s+(\d+)\.(\d+):\s+(\S+):\s(.*)$")


@dataclass
class Call:
    name: str
    begin_ns: int
    end_ns: int = 0


@dataclass
class Stretch:
    state: str  # "runs", "ready", "sleeps"
    begin_ns: int
    end_ns: int = 0


@dataclass
class Thread:
    pid: int
    tid: int
    name: str
    calls: list[Call] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)

    def becomes(self, state: str, now_ns: int) -> None:
        last = self.stretches[-1] if self.stretches else None
        if last is not None and last.state == state:
            return
        if last is not None:
            last.end_ns = now_ns
        self.stretches.append(Stretch(state, now_ns, now_ns))

    def enters(self, number: int, operation: int, now_ns: int) -> None:
        name = CALLS.get(number, f"call {number}")
        if name == "futex":
            name += " wake" if operation & 0x7F in FUTEX_WAKES else " wait"
        self.calls.append(Call(name, now_ns))

    def leaves(self, now_ns: int) -> None:
        if self.calls and self.calls[-1].end_ns == 0:
            self.calls[-1].end_ns = now_ns


@dataclass
class Wake:
    at_ns: int
    waker: int  # tid; of a timer or another machine's packet: whoever ran then
    woken: int


@dataclass
class Trace:
    threads: dict[int, Thread]
    wakes: list[Wake]


def threads_of(pid: int) -> list[Thread]:
    found = []
    for folder in Path(f"/proc/{pid}/task").iterdir():
        try:
            found.append(Thread(pid, int(folder.name), (folder / "comm").read_text().strip()))
        except FileNotFoundError:  # it has ended
            pass
    return found


def any_of(field_name: str, tids: list[int]) -> str:
    return " || ".join(f"{field_name}=={tid}" for tid in tids)


def record(pids: list[int], seconds: float, file: Path) -> list[Thread]:
    """Traces all present threads of |pids|, on all cores, with the monotonic clock."""
    threads = [thread for pid in pids for thread in threads_of(pid)]
    tids = [thread.tid for thread in threads]
    own = any_of("common_pid", tids)
    command = ["perf", "record", "-q", "-a", "-k", "CLOCK_MONOTONIC", "-m", "4096", "-o", str(file)]
    for event, wanted in (("raw_syscalls:sys_enter", own), ("raw_syscalls:sys_exit", own),
                          ("sched:sched_switch", f"{any_of('prev_pid', tids)} || {any_of('next_pid', tids)}"),
                          ("sched:sched_waking", any_of("pid", tids))):
        command += ["-e", event, "--filter", wanted]
    subprocess.run([*command, "--", "sleep", str(seconds)], check=True, capture_output=True, text=True)
    return threads


def read(file: Path, threads: list[Thread]) -> Trace:
    command = ["perf", "script", "-i", str(file), "--ns", "-F", "comm,pid,tid,cpu,time,event,trace"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    now_ns = 0
    trace = Trace({thread.tid: thread for thread in threads}, [])
    for line in text.splitlines():
        found = EVENT.match(line)
        if found is None:
            continue
        _, tid, _, seconds, fraction, event, rest = found.groups()
        now_ns = int(seconds) * 1_000_000_000 + int(fraction)
        take(trace, event.split(":")[-1], int(tid), now_ns, rest)
    for thread in trace.threads.values():
        if thread.stretches:
            thread.stretches[-1].end_ns = now_ns
    return trace


def take(trace: Trace, event: str, tid: int, now_ns: int, rest: str) -> None:
    thread = trace.threads.get(tid)
    if event == "sys_enter" and thread is not None:
        number, arguments = re.match(r"NR (\d+) \((.*)\)", rest).groups()
        thread.enters(int(number), int(arguments.split(", ")[1], 16), now_ns)
    elif event == "sys_exit" and thread is not None:
        thread.leaves(now_ns)
    elif event == "sched_switch":
        take_switch(trace, now_ns, rest)
    elif event == "sched_waking":
        woken = int(re.search(r"\bpid=(\d+)", rest).group(1))
        if woken in trace.threads:
            trace.wakes.append(Wake(now_ns, tid, woken))
            asleep = trace.threads[woken].stretches
            if asleep and asleep[-1].state == "sleeps":
                trace.threads[woken].becomes("ready", now_ns)


def take_switch(trace: Trace, now_ns: int, rest: str) -> None:
    before, state = re.search(r"prev_pid=(\d+) prev_prio=\S+ prev_state=(\S+)", rest).groups()
    after = int(re.search(r"next_pid=(\d+)", rest).group(1))
    if int(before) in trace.threads:
        trace.threads[int(before)].becomes("ready" if state.startswith("R") else "sleeps", now_ns)
    if after in trace.threads:
        trace.threads[after].becomes("runs", now_ns)
