"""An agent of one's own for tests, and OpenCL programs in its slices. Used by tests/integration, tests/conformance/run_in_slice.py
and tests/compat; Python's standard library only. Nothing here sleeps for a fixed time: it waits for something to be true, with a
deadline after which the test fails. Every process started here is ended here, by its own pid.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

DEADLINE = 30.0
DOORS = {"tcp": "unencrypted", "tls": "TLS"}  # what each speaks, as the agent calls it
LOADER_VARIABLES = ("OCL_ICD_VENDORS", "OCL_ICD_FILENAMES", "OPENCL_VENDOR_PATH", "XPOOL_SLICE", "XPOOL_DIR")


def wait_for(condition, what: str, deadline: float = DEADLINE):
    """What |condition| returns once it is true."""
    end = time.monotonic() + deadline
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline:.0f} s for {what}")
        time.sleep(0.01)


def free_address() -> str:
    """HOST:PORT of this machine where nobody listens now, for agents that must know each other's before they start."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


class Client:
    """A running program whose standard output is read line by line."""

    def __init__(self, command: list[str], environment: dict[str, str], **popen):
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, **popen)
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._readers = [threading.Thread(target=self._read, args=pair, daemon=True)
                         for pair in ((self.process.stdout, self.lines), (self.process.stderr, self.errors))]
        for reader in self._readers:
            reader.start()

    def _read(self, stream, lines: list[str]) -> None:
        for line in stream:
            lines.append(line.rstrip("\n"))

    def number(self, word: str) -> int:
        """The number behind the last line that starts with |word|, -1 before there is one."""
        for line in reversed(self.lines):
            if line.startswith(word + " "):
                return int(line.split()[1])
        return -1

    def wait_line(self, start: str, deadline: float = DEADLINE) -> str:
        def found():
            for line in list(self.lines):
                if line.startswith(start):
                    return line
            if self.process.poll() is not None and not any(line.startswith(start) for line in self.lines):
                for reader in self._readers:
                    reader.join(5)
                if not any(line.startswith(start) for line in self.lines):
                    raise AssertionError(f"ended with {self.process.returncode} before '{start}': {self.errors}")
            return None
        return wait_for(found, f"the line '{start}'", deadline)

    def progress(self) -> int:
        return max(self.number("progress"), 0)

    def wait_progress(self, more: int = 5, deadline: float = DEADLINE) -> None:
        """Waits until the program has completed |more| kernels from now on."""
        goal = self.progress() + more

        def there():
            if self.process.poll() is not None and self.progress() < goal:
                raise AssertionError(f"ended with {self.process.returncode}: {self.lines[-3:]} {self.errors}")
            return self.progress() >= goal
        wait_for(there, f"{more} more kernels", deadline)

    def program_pid(self) -> int:
        """The program under `xpool run`: its child."""
        def child():
            path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
            words = path.read_text().split() if path.exists() else []
            return int(words[0]) if words else None
        return wait_for(child, "the program to be started")

    def stop_input(self) -> None:
        try:
            self.process.stdin.close()
        except BrokenPipeError:  # it has ended already
            pass

    def finish(self, deadline: float = DEADLINE) -> int:
        """Closes the standard input (the test programs then end) and returns the exit status."""
        self.stop_input()
        status = self.process.wait(deadline)
        self._close()
        return status

    def _close(self) -> None:
        for reader in self._readers:
            reader.join(5)
        self.stop_input()
        for stream, reader in zip((self.process.stdout, self.process.stderr), self._readers):
            if not reader.is_alive():  # else a grandchild still holds the other end
                stream.close()

    def kill(self) -> None:
        if self.process.poll() is None:
            try:
                child = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            except OSError:
                child = []
            for pid in [self.process.pid, *map(int, child)]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.process.wait()
        self._close()


class Agent:
    """xpoold in a temporary directory, with the machine's drivers (null=False) or the null driver."""

    def __init__(self, build: Path, null: bool, arguments: tuple[str, ...] = (), variables: dict[str, str] | None = None):
        self.build, self.arguments = Path(build).resolve(), list(arguments)
        self.directory = Path(tempfile.mkdtemp(prefix="xpool-test-"))
        self.directory.chmod(0o755)
        self.environment = {name: value for name, value in os.environ.items() if name not in LOADER_VARIABLES}
        self.environment["XPOOL_DIR"] = str(self.directory / "agent")
        if null:
            vendors = self.directory / "vendors"
            vendors.mkdir()
            (vendors / "null.icd").write_text(f"{self.build}/lib/libxpool-null-opencl.so\n")
            self.environment["XPOOL_ICD_VENDORS"] = str(vendors)
        self.variables = variables or {}
        self.prefix: list[str] = []  # the command that starts xpoold, such as in a network namespace
        self.process: subprocess.Popen | None = None
        self.clients: list[Client] = []
        self._addresses: dict[str, str] = {}

    @property
    def path(self) -> Path:
        return Path(self.environment["XPOOL_DIR"])

    @property
    def log(self) -> str:
        log = self.directory / "xpoold.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def spawn(self, **popen) -> subprocess.Popen:
        with open(self.directory / "xpoold.log", "a") as log:
            self.process = subprocess.Popen([*self.prefix, str(self.build / "bin/xpoold"), "--metrics-address", "off", *self.arguments],
                                            stdout=log, stderr=log, env={**self.environment, **self.variables}, **popen)
        return self.process

    def start(self) -> "Agent":
        self.spawn()

        def answers():
            if self.process.poll() is not None:
                raise AssertionError(f"the agent ended with {self.process.returncode}: {self.log[-2000:]}")
            return self.cli("status", check=False).returncode == 0
        wait_for(answers, "the agent to answer")
        return self

    def restart(self) -> None:
        """Killed, and started again."""
        self.signal(signal.SIGKILL)
        self.start()

    def __enter__(self) -> "Agent":
        return self.start()

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        for client in self.clients:
            client.kill()
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)
        if number in (signal.SIGKILL, signal.SIGSEGV):
            self.process.wait()

    def cli(self, *arguments: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess:
        done = subprocess.run([str(self.build / "bin/xpool"), *arguments], env=self.environment, text=True,
                              capture_output=True, timeout=timeout)
        if check and done.returncode != 0:
            raise AssertionError(f"xpool {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
        return done

    def slices(self) -> dict[str, dict]:
        return {entry["name"]: entry for entry in json.loads(self.cli("slice", "list", "--json").stdout).get("slices", [])}

    def memory_used(self, name: str) -> int:
        return int(self.slices()[name].get("memory_used_bytes", 0))

    def sessions(self) -> list[dict]:
        return json.loads(self.cli("ps", "--json").stdout).get("sessions", [])

    def events(self) -> str:
        return self.cli("events", "--json").stdout

    def address(self, way: str) -> str:
        """HOST:PORT of the door for "tcp" or "tls", as the agent first had it: it may have been given port 0."""
        def opened():
            for event in json.loads(self.events())["events"]:
                words = event["message"].split()
                if event["kind"] == "door-opened" and words[-1] == DOORS[way]:
                    return words[3].rstrip(",")
            return None
        if way not in self._addresses:
            self._addresses[way] = wait_for(opened, f"the agent to open its door ({way})")
        return self._addresses[way]

    def where(self, way: str, *others: "Agent") -> list[str]:
        """The options of `xpool run` for a slice by |way|: in the program's process ("slice"), by "ring", "tcp" or "tls". With
        |others|, over "tcp" or "tls", for one slice of each agent."""
        if way in ("slice", "ring"):
            return ["--isolated"] if way == "ring" else []
        nodes = ",".join(agent.address(way) for agent in (self, *others))
        count = ["--count", str(1 + len(others))] if others else []
        return ["--on", nodes, *count, *(["--plain"] if way == "tcp" else [])]

    def shim_variables(self) -> dict[str, str]:
        """With them a program's OpenCL loader finds our library and no other, as under `xpool run`."""
        vendors = self.directory / "our-vendors"
        vendors.mkdir(exist_ok=True)
        (vendors / "xpool.icd").write_text(f"{self.build}/lib/libxpool-opencl.so\n")
        return {"OCL_ICD_VENDORS": str(vendors), "OPENCL_VENDOR_PATH": str(vendors)}

    def run(self, *arguments: str, variables: dict[str, str] | None = None, prefix: tuple[str, ...] = (), **popen) -> Client:
        """`xpool run ARGUMENTS` in the background; killed at close() if it still runs. |prefix| starts it."""
        client = Client([*prefix, str(self.build / "bin/xpool"), "run", *arguments], {**self.environment, **(variables or {})}, **popen)
        self.clients.append(client)
        return client
