#!/usr/bin/python3
"""The main job on real programs: two unmodified OpenCL programs share one XPU in slices of 30 % and 70 %.

Run by `./dev demo`. Starts an agent of its own in a temporary directory on the OpenCL devices of this machine (PoCL's CPU where
there is no card), and leaves nothing behind but the picture out/demo/shares.svg and logs beside it. The second act
(second_machine.py) borrows a slice over the network.
"""
import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from second_machine import second_act
from share_plot import Line, draw

ROOT = Path(__file__).resolve().parents[2]
TRAIN = ["/usr/bin/python3", str(ROOT / "examples/train_mlp.py")]
OVER_QUOTA = ["/usr/bin/python3", str(ROOT / "examples/overquota.py")]
# An MD5 that no 8 letters give: it never ends by itself.
CRACK = ["hashcat", "--attack-mode", "3", "--hash-type", "0", "--optimized-kernel-enable", "--workload-profile", "1",
         "--self-test-disable", "--potfile-disable", "--restore-disable", "--status", "--status-timer", "5",
         "0123456789abcdef0123456789abcdef", "?a?a?a?a?a?a?a?a"]
PHASE_SECONDS = 12


class Demo:
    def __init__(self, build: Path):
        self.xpool = str(build / "bin/xpool")
        self.directory = tempfile.mkdtemp(prefix="xpool-demo-")
        os.chmod(self.directory, 0o755)  # users of tenants pass through
        self.environment = {**os.environ, "XPOOL_DIR": self.directory}
        self.processes: list[subprocess.Popen] = []
        self.lines = {"training": Line("training"), "hashcat": Line("hashcat")}
        self.marks: list[tuple[float, str]] = []
        self.started = 0.0

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        done = subprocess.run([self.xpool, *arguments], env=self.environment, text=True, capture_output=True, timeout=60)
        if check and done.returncode != 0:
            raise SystemExit(f"xpool {' '.join(arguments)} failed ({done.returncode}): {done.stderr.strip()}")
        return done

    def show(self, *arguments: str) -> None:
        print(f"\n$ xpool {' '.join(arguments)}")
        done = self.command(*arguments)
        print(done.stdout.rstrip() or done.stderr.rstrip())

    def start(self, slice_name: str, program: list[str], log: Path) -> subprocess.Popen:
        print(f"\n$ xpool run --slice {slice_name} -- {' '.join(program)} &")
        process = subprocess.Popen([self.xpool, "run", "--slice", slice_name, "--", *program], env=self.environment,
                                   stdout=log.open("w"), stderr=subprocess.STDOUT, start_new_session=True)
        self.processes.append(process)
        return process

    def usage(self) -> dict[str, dict]:
        listed = json.loads(self.command("slice", "list", "--json").stdout)
        return {entry["name"]: entry for entry in listed["slices"]}

    def watch(self, seconds: int) -> dict[str, float]:
        """Prints a row each second; returns each slice's share over the whole time."""
        first = before = self.usage()
        names = list(self.lines)
        print("\n   second " + "".join(f"{name + ' asked':>17}{'got':>9}" for name in names))
        for _ in range(seconds):
            time.sleep(1)
            now = self.usage()
            at = time.monotonic() - self.started
            row = f"{at:9.0f} "
            for name, share in shares(before, now, names).items():
                asked = now[name]["guarantee_bp"] / 10_000
                self.lines[name].got.append((at, share))
                self.lines[name].asked.append((at, asked))
                row += f"{asked:>16.0%} {share:>8.1%}"
            print(row, flush=True)
            before = now
        return shares(first, before, names)

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.command("agent", "stop", check=False)


def shares(before: dict, now: dict, names: list[str]) -> dict[str, float]:
    """Each slice's part of the time that slices held the XPU between two readings."""
    held = {name: int(now[name]["usage"]["held_ns"]) - int(before[name]["usage"]["held_ns"]) for name in names}
    total = sum(held.values()) or 1
    return {name: held[name] / total for name in names}


def wait_until_both_run(demo: Demo, logs: dict[str, Path]) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        if all(int(entry["usage"]["commands"]) > 50 for entry in demo.usage().values()):
            return
        for process, log in zip(demo.processes, logs.values()):
            if process.poll() is not None:
                raise SystemExit(f"{log.name} ended early:\n{log.read_text()[-2000:]}")
        time.sleep(0.2)
    raise SystemExit("the programs did not start to work within 90 s; their output is in out/demo/")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build/release", type=Path)
    parser.add_argument("--out", default=ROOT / "out/demo", type=Path)
    parser.add_argument("--act", choices=["1", "2"], help="only this one")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    build = arguments.build.resolve()
    status = 0 if arguments.act == "2" else first_act(build, arguments.out)
    if status != 0 or arguments.act == "1":
        return status
    return 0 if second_act(build, arguments.out) else 1


def first_act(build: Path, out: Path) -> int:
    demo = Demo(build)
    try:
        return act(demo, out)
    finally:
        demo.stop()


def act(demo: Demo, out: Path) -> int:
    demo.command("agent", "start")
    demo.show("devices")
    demo.show("slice", "create", "training", "--compute", "30%", "--memory", "512Mi")
    demo.show("slice", "create", "hashcat", "--compute", "70%", "--memory", "1Gi")
    logs = {name: out / f"{name}.log" for name in demo.lines}
    demo.start("training", TRAIN + ["--seconds", "120"], logs["training"])
    demo.start("hashcat", CRACK, logs["hashcat"])
    print("\nbuilding their kernels ...", flush=True)
    wait_until_both_run(demo, logs)

    demo.started = time.monotonic()
    asked_30 = demo.watch(PHASE_SECONDS)
    demo.marks.append((time.monotonic() - demo.started, "resize"))
    demo.show("slice", "resize", "hashcat", "--compute", "40%")
    demo.show("slice", "resize", "training", "--compute", "60%")
    asked_60 = demo.watch(PHASE_SECONDS)
    demo.show("ps")

    print("\na program that wants more memory than its slice has:")
    print("\n$ xpool run --memory 64Mi -- examples/overquota.py")
    over = demo.command("run", "--memory", "64Mi", "--", *OVER_QUOTA, check=False)
    print((over.stdout + over.stderr).rstrip())
    refused = over.returncode == 0 and "refused" in over.stdout

    picture = out / "shares.svg"
    picture.write_text(draw("Two programs on one XPU: asked and achieved shares", list(demo.lines.values()), demo.marks))
    steps = [line for line in logs["training"].read_text().splitlines() if "loss" in line]
    print("\nsummary")
    print(f"  training   asked 30 %, got {asked_30['training']:.1%}; after the resize asked 60 %, got {asked_60['training']:.1%}")
    print(f"  hashcat    asked 70 %, got {asked_30['hashcat']:.1%}; after the resize asked 40 %, got {asked_60['hashcat']:.1%}")
    print(f"  training's last line: {steps[-1] if steps else 'none'}")
    print(f"  memory     256Mi asked of a 64Mi slice: {'refused, as it must be' if refused else 'NOT refused'}")
    print(f"  picture    {picture}")
    return 0 if refused and steps else 1


if __name__ == "__main__":
    sys.exit(main())
