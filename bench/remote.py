"""What the scenarios of remote slices stand on: an agent that lends, the ways to its slices, networks between, and the
floors below which no way can go."""
import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

from harness import Agent, Bench, BenchError, children_of, read_or_nothing

LOCAL = "local"
WAYS = ("ring", "tcp", "tls")  # a worker on this machine, loopback TCP, the same under mutual TLS
MEMORY = "1Gi"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Lender(Agent):
    """An agent that lends on loopback, and its slice "whole", in which one program at a time is alone."""

    def __init__(self, bench: Bench, warm: int = 1):
        self.ports = {"tcp": free_port(), "tls": free_port()}
        super().__init__(bench, arguments=("--listen-plain", f"127.0.0.1:{self.ports['tcp']}", "--listen",
                                           f"127.0.0.1:{self.ports['tls']}", "--warm-workers", str(warm)))
        self.warm = warm
        self.warming = False
        self.environment["XPOOL_IDENTITY"] = f"{self.directory}/user.pem"
        os.makedirs(f"{self.directory}/pki", mode=0o700)
        authority = ("--ca-dir", f"{self.directory}/ca")
        self.call("ca", "init", *authority)
        self.call("ca", "issue", "node", "bench", "--address", "127.0.0.1", "-o", f"{self.directory}/pki/node.pem", *authority)
        self.call("ca", "issue", "user", "borrower", "-o", self.environment["XPOOL_IDENTITY"], *authority)

    def __enter__(self) -> "Lender":
        super().__enter__()
        self.slice("whole", 50, memory=MEMORY)
        return self

    def command(self, way: str, program: list[str], port: int | None = None, compute: float = 40,
                memory: str = MEMORY) -> list[str]:
        """|program| in a slice that |way| leads to; |port|: of a network on the way."""
        run = [self.bench.binary("xpool"), "run"]
        if way == LOCAL:
            run += ["--slice", "whole"]
        elif way == "ring":
            run += ["--slice", "whole", "--isolated"]
        else:
            run += ["--on", f"127.0.0.1:{port or self.ports[way]}", "--compute", f"{compute}%", "--memory", memory]
            run += ["--plain"] if way == "tcp" else []
        return [*run, "--", *program]

    def begin(self, way: str, program: list[str], **more) -> subprocess.Popen:
        return self.bench.spawn(self.command(way, program, **more), self.environment)

    def measure(self, way: str, program: list[str], **more) -> dict:
        self.await_warm()
        return self.bench.run(self.command(way, program, **more), self.environment)

    # Workers.

    def waiting_workers(self) -> int:
        """Workers that have loaded their driver, and connected to the agent, and have had no session yet."""
        return sum(waits(pid) for pid in children_of(self.process.pid))

    def await_warm(self) -> None:
        """Until nobody is served and as many workers wait as shall: behind everything else, so it may take long."""
        for _ in range(6000):
            if not self.sessions() and self.waiting_workers() == self.warm:
                return
            self.start_warming()
            time.sleep(0.05)
        raise BenchError(f"{self.warm} workers did not come to wait within five minutes; see {self.directory}/bench-agent.log")

    def start_warming(self) -> None:
        """Workers wait once there has been a session."""
        if not self.warming:
            self.bench.run(self.command("ring", [self.bench.binary("xpool_bench_attach")]), self.environment)
            self.warming = True


def waits(pid: int) -> bool:
    names = [read_or_nothing(path).strip() for path in Path(f"/proc/{pid}/task").glob("*/comm")]
    # "xpool" watches a slice: a worker has it from a session's beginning to its own end.
    return "xpool-worker" in names and "xpool" not in names and any(name.startswith("socket:") for name in descriptors(pid))


def descriptors(pid: int) -> list[str]:
    names = []
    for path in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            names.append(os.readlink(path))
        except OSError:
            pass  # closed meanwhile
    return names


class Network:
    """A relay process between programs and the agent's plain port: a longer, narrower or breaking way."""

    def __init__(self, lender: Lender, gigabits: float = 0, round_trip_us: float = 0):
        self.process = subprocess.Popen(
            [lender.bench.binary("xpool_bench_relay"), "--to", f"127.0.0.1:{lender.ports['tcp']}", "--gigabits", str(gigabits),
             "--round-trip-us", str(round_trip_us)], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline().split()[1])

    def __enter__(self) -> "Network":
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait()

    def cut(self, seconds: float) -> None:
        """Closes all connections, and for |seconds| each new one. Returns at once."""
        self.process.stdin.write(f"cut {seconds * 1000:.0f}\n")
        self.process.stdin.flush()

    def swallow(self, seconds: float) -> None:
        """Nothing arrives for |seconds|. Returns after it."""
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)


def floors(bench: Bench, kind: str) -> dict[str, dict]:
    """xpool_bench_micro's figures of the channels alone, by way. |kind|: RoundTrip (64 bytes) or Bulk (64 MiB)."""
    done = subprocess.run([bench.binary("xpool_bench_micro"), f"--benchmark_filter=BM_{kind}/({'|'.join(WAYS)})/",
                           f"--benchmark_min_time={bench.seconds(1, 0.1)}", "--benchmark_format=json"],
                          capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise BenchError(f"xpool_bench_micro failed: {done.stderr.strip()}")
    return {re.split("/", figure["name"])[1]: figure for figure in json.loads(done.stdout)["benchmarks"]}
