"""The demo's second act: a machine without a card trains a network on another machine's slice, and the cable between them is cut.

The two machines are network namespaces of this one, joined by a cable; each has an agent of its own, and they know each other by
certificates of `xpool ca`. Needs root, for the namespaces.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
from namespaces import TwoMachines  # noqa: E402

TRAIN = ["/usr/bin/python3", str(ROOT / "examples/train_mlp.py"), "--hidden", "64", "--batch", "64", "--steps", "600", "--every", "10"]
PORT = 7070
CUT_AT_STEP, CUT_SECONDS = 100, 2.0


class SecondMachine:
    def __init__(self, build: Path, machines: TwoMachines):
        self.xpool, self.agent = str(build / "bin/xpool"), str(build / "bin/xpoold")
        self.machines = machines
        self.directory = Path(tempfile.mkdtemp(prefix="xpool-demo2-"))
        self.directory.chmod(0o755)  # users of tenants pass through
        no_cards = self.directory / "no-cards"
        no_cards.mkdir()
        common = {**os.environ, "XDG_CONFIG_HOME": str(self.directory)}
        self.lender = {**common, "XPOOL_DIR": str(self.directory / "lender")}
        self.borrower = {**common, "XPOOL_DIR": str(self.directory / "borrower"), "OCL_ICD_VENDORS": str(no_cards),
                         "OPENCL_VENDOR_PATH": str(no_cards), "XPOOL_ICD_VENDORS": str(no_cards)}
        self.processes: list[subprocess.Popen] = []

    def ask(self, *arguments: str) -> subprocess.CompletedProcess:
        """`xpool` on the machine without a card."""
        return subprocess.run([*self.machines.borrower_prefix, self.xpool, *arguments], env=self.borrower, text=True,
                              capture_output=True, timeout=60)

    def show(self, *arguments: str) -> None:
        print(f"\nborrower$ xpool {' '.join(arguments)}")
        done = self.ask(*arguments)
        print((done.stdout + done.stderr).rstrip(), flush=True)

    def must(self, *arguments: str) -> None:
        print(f"$ xpool {' '.join(arguments).replace(str(self.directory), '~')}")
        done = self.ask(*arguments)
        if done.returncode != 0:
            raise RuntimeError(f"xpool {' '.join(arguments)}: {done.stderr.strip()}")

    def set_up(self) -> None:
        pki = self.directory / "lender/pki"
        pki.mkdir(parents=True)
        (self.directory / "xpool").mkdir(exist_ok=True)
        self.must("ca", "init", "--name", "demo")
        self.must("ca", "issue", "node", "gpu1", "--address", self.machines.lender, "-o", str(pki / "node.pem"))
        self.must("ca", "issue", "user", "ada", "-o", str(self.directory / "xpool/identity.pem"))
        self.must("node", "add", "gpu1", f"{self.machines.lender}:{PORT}")
        self.start_agent(self.machines.lender_prefix, self.lender, "--listen", f"{self.machines.lender}:{PORT}")
        self.start_agent(self.machines.borrower_prefix, self.borrower)
        deadline = time.monotonic() + 30
        while self.ask("nodes").returncode != 0 or self.ask("status").returncode != 0:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the lender does not answer: {self.ask('nodes').stderr.strip()}")
            time.sleep(0.1)

    def start_agent(self, prefix: tuple[str, ...], environment: dict[str, str], *arguments: str) -> None:
        log = open(self.directory / f"{Path(environment['XPOOL_DIR']).name}.log", "w")
        command = [*prefix, self.agent, "--metrics-address", "off", *arguments]
        self.processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))

    def train(self, log: Path) -> subprocess.Popen:
        process = subprocess.Popen([*self.machines.borrower_prefix, self.xpool, "run", "--on", "gpu1", "--compute", "50%", "--memory", "512Mi",
                                    "--", *TRAIN], env=self.borrower, stdout=log.open("w"), stderr=subprocess.STDOUT)
        self.processes.append(process)
        return process

    def close(self) -> None:
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def steps_of(log: Path) -> dict[int, str]:
    """The loss after each step that was printed."""
    return {int(step): loss for step, loss in re.findall(r"^step +(\d+)  loss (\S+)", log.read_text(), re.M)}


def result_of(log: Path) -> str:
    return next((line for line in log.read_text().splitlines() if line.startswith("done:")), "")


def wait_for_step(process: subprocess.Popen, log: Path, step: int) -> None:
    deadline = time.monotonic() + 120
    while max(steps_of(log), default=0) < step:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the training did not come to step {step}:\n{log.read_text()[-2000:]}")
        time.sleep(0.02)


def cut_and_mend(process: subprocess.Popen, log: Path, machines: TwoMachines) -> bool:
    """False when the program did not stand still meanwhile: then nothing was shown."""
    wait_for_step(process, log, CUT_AT_STEP)
    machines.cut()
    print(f"  after step {max(steps_of(log))}: the cable is cut", flush=True)
    time.sleep(CUT_SECONDS / 2)
    standing = max(steps_of(log))
    time.sleep(CUT_SECONDS / 2)
    stood = standing == max(steps_of(log)) and process.poll() is None
    machines.mend()
    print(f"  {CUT_SECONDS:.0f} s later, still at step {max(steps_of(log))}: the cable is mended", flush=True)
    return stood


def act(scene: SecondMachine, out: Path) -> bool:
    scene.set_up()
    scene.show("devices")
    scene.show("nodes")
    uncut, cut = out / "remote-uncut.log", out / "remote-cut.log"
    print(f"\nborrower$ xpool run --on gpu1 --compute 50% --memory 512Mi -- {' '.join(TRAIN[1:]).replace(str(ROOT) + '/', '')}", flush=True)
    scene.train(uncut).wait(timeout=600)
    print(f"  {result_of(uncut)}\n\nthe same again, and the cable between the machines is cut:", flush=True)
    process = scene.train(cut)
    stood = cut_and_mend(process, cut, scene.machines)
    status = process.wait(timeout=600)
    print(f"  {result_of(cut)}")
    same = status == 0 and result_of(uncut) != "" and (steps_of(uncut), result_of(uncut)) == (steps_of(cut), result_of(cut))
    print("\nsummary of the second act")
    print(f"  {len(steps_of(cut))} losses and all weights are {'the same' if same else 'NOT the same'} with and without the cut")
    if not stood:
        print("  but the program did not stand still while the cable was cut: nothing is shown by that")
    return same and stood


def second_act(build: Path, out: Path) -> bool:
    """Shows it, and says whether all was as it must be; true with a message where this machine cannot show it."""
    print("\n--- second act: a machine without a card borrows a slice of another one ---")
    try:
        machines = TwoMachines()
    except OSError as error:
        print(f"left out: two machines are played by network namespaces, which cannot be made here ({error}); try as root")
        return True
    scene = SecondMachine(build, machines)
    try:
        return act(scene, out)
    finally:
        scene.close()
        machines.close()
