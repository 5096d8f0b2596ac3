"""What the scenarios stand on: programs in a common window, native or in slices; an agent of their own; a guard
against foreign load.

Foreign CPU time is what all CPUs did between the two ends of a turn (/proc/stat: user, nice, system, irq, softirq,
steal) less what this process and its descendants used. Every program of a turn is waited for before its end, so its time is
in RUSAGE_CHILDREN; that of agents, their workers and networks, which go on, is read from /proc/PID/stat.
"""
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NS = 1_000_000_000
TICK = os.sysconf("SC_CLK_TCK")
FOREIGN_LIMIT = 0.02
NOISY_RETRIES = 5


class BenchError(Exception):
    """A scenario cannot be measured; the text says why and what to do."""


def now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def sleep_until(at_ns: int) -> None:
    time.sleep(max(0, at_ns - now_ns()) / NS)


def machine_cpu_seconds() -> float:
    fields = [int(x) for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq + steal) / TICK


def children_of(pid: int) -> list[int]:
    lists = [read_or_nothing(task / "children") for task in Path(f"/proc/{pid}/task").glob("*")]
    return [int(child) for children in lists for child in children.split()]


def read_or_nothing(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def descendants_of(pid: int) -> list[int]:
    children = children_of(pid)
    return children + [one for child in children for one in descendants_of(child)]


def process_cpu_seconds(pid: int) -> float:
    """Of the process, and the descendants that were waited for."""
    fields = read_or_nothing(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return sum(int(x) for x in fields[11:15]) / TICK  # utime, stime, cutime, cstime


class Agent:
    """An xpoold of our own in a temporary directory."""

    def __init__(self, bench: "Bench", drivers: str | None = None, environment: dict | None = None,
                 arguments: tuple[str, ...] = ()):
        self.bench = bench
        self.arguments = arguments
        self.directory = tempfile.mkdtemp(prefix="xpool-bench-")
        os.chmod(self.directory, 0o755)  # users of tenants pass through
        self.environment = {**os.environ, "XPOOL_DIR": self.directory, "XPOOL_SHIM_DIR": str(bench.build / "lib"),
                            **(environment or {})}
        if drivers:
            self.environment["XPOOL_ICD_VENDORS"] = drivers
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> "Agent":
        log = os.path.join(self.directory, "bench-agent.log")
        with open(log, "ab") as errors:  # its workers' too
            self.process = subprocess.Popen([self.bench.binary("xpoold"), "--dir", self.directory, "--metrics-address", "off",
                                             "--log-file", log, *self.arguments], env=self.environment, stdin=subprocess.DEVNULL,
                                            stderr=errors)
        for _ in range(200):
            if self.process.poll() is not None:
                raise BenchError(f"the agent ended at once; see {log}")
            if os.path.exists(os.path.join(self.directory, "control.sock")):
                done = self._call("devices", "--json")
                if done.returncode == 0 and json.loads(done.stdout)["xpus"]:
                    return self
            time.sleep(0.05)
        self.__exit__()
        raise BenchError(f"the agent found no XPU; see {log}")

    def __exit__(self, *_) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process and self.process.returncode in (0, -signal.SIGTERM):
            shutil.rmtree(self.directory, ignore_errors=True)

    def _call(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([self.bench.binary("xpool"), *arguments], env=self.environment, text=True,
                              capture_output=True, timeout=120)

    def call(self, *arguments: str) -> str:
        done = self._call(*arguments)
        if done.returncode != 0:
            raise BenchError(f"xpool {' '.join(arguments)} failed ({done.returncode}): {done.stderr.strip()}")
        return done.stdout

    def slice(self, name: str, compute: float | None = None, limit: float | None = None, priority: str = "normal",
              memory: str = "64Mi") -> None:
        arguments = ["slice", "create", name, "--memory", memory, "--priority", priority]
        if compute is not None:
            arguments += ["--compute", f"{compute}%"]
        if limit is not None:
            arguments += ["--limit", f"{limit}%"]
        self.call(*arguments)

    def delete(self, *names: str) -> None:
        self.call("slice", "delete", "--force", *names)

    def usage(self) -> dict[str, dict]:
        """Each slice's listing, by name."""
        return {entry["name"]: entry for entry in json.loads(self.call("slice", "list", "--json"))["slices"]}

    def sessions(self) -> list[dict]:
        return json.loads(self.call("ps", "--json"))["sessions"]

    def start(self, slice_name: str, program: list[str]) -> subprocess.Popen:
        return self.bench.spawn([self.bench.binary("xpool"), "run", "--slice", slice_name, "--", *program],
                                self.environment)

    def run(self, slice_name: str, program: list[str]) -> dict:
        return self.bench.collect([self.start(slice_name, program)])[0]

    def start_trace(self, seconds: float) -> subprocess.Popen:
        return self.bench.spawn([self.bench.binary("xpool"), "trace", "--seconds", f"{seconds:.2f}", "--json"],
                                self.environment)


class Bench:
    def __init__(self, build: Path, quick: bool = False, repeat: int | None = None, keep_noisy: bool = False):
        self.build = build
        self.quick = quick
        self.repeat = repeat or (1 if quick else 5)
        self.keep_noisy = keep_noisy or quick
        self.details: dict = {}
        self._loops: dict[tuple, int] = {}
        self._noise: list[float] = []
        for name in ("xpool", "xpoold", "xpool-worker", "xpool_bench_client", "xpool_bench_launch", "xpool_bench_calls"):
            self.binary(name)

    def binary(self, name: str) -> str:
        path = self.build / "bin" / name
        if not path.exists():
            raise SystemExit(f"{path} is missing: build it first (./dev build), or say --build DIR")
        return str(path)

    def seconds(self, full: float, quick: float) -> float:
        return quick if self.quick else full

    def agent(self, drivers: str | None = None, environment: dict | None = None) -> Agent:
        return Agent(self, drivers, environment)

    # Programs.

    def spawn(self, arguments: list[str], environment: dict | None = None) -> subprocess.Popen:
        return subprocess.Popen(arguments, env=environment, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, start_new_session=True)

    def collect(self, processes: list[subprocess.Popen], timeout: float = 300) -> list[dict]:
        """Waits for all of them; each has printed one JSON object."""
        results = []
        try:
            for process in processes:
                out, errors = process.communicate(timeout=timeout)
                if process.returncode != 0:
                    raise BenchError(f"{' '.join(process.args)} ended with {process.returncode}: {errors.strip()}")
                results.append(json.loads(out))
        except subprocess.TimeoutExpired as late:
            raise BenchError(f"{' '.join(late.cmd)} did not end within {timeout:.0f} s") from late
        finally:
            for process in processes:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.communicate()
        if any(result.get("late") for result in results):
            raise BenchError("a program was not ready at the start of the window: the machine is too busy")
        return results

    def run(self, arguments: list[str], environment: dict | None = None) -> dict:
        return self.collect([self.spawn(arguments, environment)])[0]

    def loops(self, kernel_us: float, groups: str = "device") -> int:
        """Loops of a kernel of that length, calibrated natively, once per run; the median of three."""
        key = (kernel_us, groups)
        if key not in self._loops:
            calibrate = [self.binary("xpool_bench_client"), "--calibrate", "--kernel-us", str(kernel_us), "--groups", groups]
            self._loops[key] = sorted(self.run(calibrate)["loops"] for _ in range(3))[1]
        return self._loops[key]

    def client(self, window: tuple[int, int], kernel_us: float, depth: int = 8, *more: str, groups: str = "device") -> list[str]:
        return [self.binary("xpool_bench_client"), "--kernel-us", str(kernel_us), "--loops",
                str(self.loops(kernel_us, groups)), "--groups", groups, "--depth", str(depth), "--start", str(window[0]),
                "--end", str(window[1]), *more]

    def window(self, seconds: float, programs: int = 1) -> tuple[int, int]:
        """A common window, far enough away for |programs| to be built and started before it."""
        start = now_ns() + int((1.0 + 0.25 * programs + (1.0 if self.quick else 0)) * NS)
        return start, start + int(seconds * NS)

    # Turns.

    def turn(self, work):
        """Runs |work()| and returns what it returns; again when others used the machine meanwhile."""
        for _ in range(NOISY_RETRIES):
            foreign, result = self._watched(work)
            if foreign <= FOREIGN_LIMIT or self.keep_noisy:
                return result
            self._noise.append(round(foreign, 4))
            print(f"  turn thrown away: {foreign:.1%} foreign CPU", file=sys.stderr, flush=True)
        raise BenchError(f"{NOISY_RETRIES} turns in a row had more than {FOREIGN_LIMIT:.0%} foreign CPU; quieten the machine")

    def _own_cpu_seconds(self) -> float:
        """Of a worker that ends meanwhile, its time goes from its own account to its agent's: again, until none does."""
        while True:
            descendants = descendants_of(os.getpid())
            own = sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
            own += sum(map(process_cpu_seconds, descendants))
            if descendants_of(os.getpid()) == descendants:
                return own

    def _watched(self, work):
        began, machine, own = now_ns(), machine_cpu_seconds(), self._own_cpu_seconds()
        result = work()
        spent = (machine_cpu_seconds() - machine) - (self._own_cpu_seconds() - own)
        return spent / ((now_ns() - began) / NS * os.cpu_count()), result

    def take_noise(self) -> list[float]:
        noise, self._noise = self._noise, []
        return noise


def work_seconds(result: dict, kernel_us: float) -> float:
    """Kernel time completed in the window, as if alone on the device."""
    return result["completions"] * kernel_us / 1e6
