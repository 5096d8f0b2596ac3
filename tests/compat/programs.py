"""The programs of the compatibility table: how each is set up and run, and what of its output must be the same in a slice.

A program is a list of commands that run natively and in a slice; |normalise| removes from the output what differs from run to run
anyhow (times, speeds) or differs in a slice by design (memory sizes), and what is left must be equal.
"""
import re
import subprocess
import xml.etree.ElementTree as xml
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

HERE = Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"


@dataclass
class Program:
    name: str
    what: str  # for the table
    version: list[str]
    commands: list[list[str]]
    normalise: Callable[[str, Path], str]
    prepare: Callable[[Path], None] = lambda work: None
    environment: dict[str, str] = field(default_factory=dict)
    statuses: tuple[int, ...] = (0,)  # exit statuses that count as success natively
    timeout: float = 1800
    differences: str = ""  # what differs by design
    remote_differences: str = ""  # the same, in remote slices only
    remote_lines: tuple[str, ...] = ()  # what such lines of the normalised output have in them


def run(command: list[str], work: Path) -> None:
    done = subprocess.run(command, cwd=work, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {(done.stderr or done.stdout)[-1000:]}")


def without_numbers(text: str, work: Path) -> str:
    return re.sub(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", "#", text)


def as_it_is(text: str, work: Path) -> str:
    return text


# A slice has its own memory, and offers the extensions whose functions xpool handles.
CLINFO_MAY_DIFFER = ("GLOBAL_MEM_SIZE", "MAX_MEM_ALLOC_SIZE", "EXTENSIONS", "ICD_SUFFIX", "IMAGE_MAX_BUFFER_SIZE",
                     "MAX_CONSTANT_BUFFER_SIZE", "HOST_TIMER_RESOLUTION", "COMMAND_BUFFER", "BUILT_IN_KERNELS")


def clinfo_facts(text: str, work: Path) -> str:
    return "\n".join(line for line in text.splitlines() if not any(name in line for name in CLINFO_MAY_DIFFER))


# A native kernel is a function of the program's process.
CLINFO_REMOTE = ("CL_DEVICE_EXECUTION_CAPABILITIES", "CL_DEVICE_SVM_CAPABILITIES")


def cracked(text: str, work: Path) -> str:
    return "\n".join(line for line in text.splitlines() if re.match(r"^[0-9a-f]{32}:", line))


def tuner_verdicts(text: str, work: Path) -> str:
    """Which parameters were tried and whether the results were right; the order of the winners is a matter of speed."""
    verdicts = re.findall(r"results match|FAILED|\bOK\b|error", text)
    return f"{len(verdicts)} verdicts: {sorted(set(verdicts))}"


def leela_facts(text: str, work: Path) -> str:
    """What the network says of the first position, to its last digit; the rest without its numbers."""
    kept = [line for line in text.splitlines() if re.search(r"self-check|Detected|residual|Initializing OpenCL|error|Error", line)]
    evaluated = [line for line in text.splitlines() if line.startswith("NN eval=")]
    return "\n".join([without_numbers("\n".join(kept), work), *evaluated]).strip()


def test_outcomes(text: str, work: Path) -> str:
    """One line a test of pytest's JUnit report."""
    lines = []
    for case in xml.parse(work / "report.xml").getroot().iter("testcase"):
        kinds = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        name = re.sub(r"<context factory.*", "", case.get("name", ""))
        lines.append(f"{case.get('classname')}.{name} {kinds[0] if kinds else 'passed'}")
    return "\n".join(sorted(lines))


def prepare_clblast(work: Path) -> None:
    run(["gcc", "-O1", "-DCL_TARGET_OPENCL_VERSION=300", "-DCL_USE_DEPRECATED_OPENCL_1_2_APIS", str(HERE / "clblast_check.c"),
         "-o", str(work / "clblast_check"), "-lclblast", "-lOpenCL", "-lm"], work)


def prepare_venv(work: Path) -> None:
    if not (work / "venv/bin/python").exists():
        run([PYTHON, "-m", "venv", "--system-site-packages", str(work / "venv")], work)
    run([str(work / "venv/bin/pip"), "install", "--quiet", "-r", str(HERE / "requirements.txt")], work)


def prepare_pyopencl(work: Path) -> None:
    if list(work.glob("pyopencl-*/test")):
        return
    requirement = [line for line in (HERE / "requirements-sources.txt").read_text().splitlines() if line[:1].isalpha()][0]
    run([PYTHON, "-m", "venv", "--system-site-packages", str(work / "venv")], work)
    run([str(work / "venv/bin/pip"), "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--no-build-isolation", requirement], work)
    run(["tar", "xf", next(work.glob("pyopencl-*.tar.gz")).name], work)


def prepare_leela(work: Path) -> None:
    (work / "home").mkdir(exist_ok=True)
    run([PYTHON, str(HERE / "leela_weights.py"), str(work / "weights.txt")], work)


def all_programs(work: Path) -> list[Program]:
    leela = ["/usr/games/leelaz", "--gpu", "0", "-w", str(work / "leela-zero/weights.txt"), "--noponder", "-t", "1", "-s", "1",
             "-m", "0", "--precision", "single", "--benchmark", "-v", "60"]
    pyopencl_tests = f"cd pyopencl-*/test && exec {PYTHON} -m pytest -q -p no:cacheprovider --junitxml={work}/PyOpenCL/report.xml"
    return [
        Program("clinfo", "every platform and device query", ["clinfo", "--version"], [["clinfo", "--raw"]], clinfo_facts,
                differences="memory sizes are the slice's; only extensions that xpool handles",
                remote_differences="no native kernels, coarse-grain shared virtual memory alone", remote_lines=CLINFO_REMOTE),
        Program("clpeak", "bandwidth, compute and latency kernels", ["clpeak", "--version"],
                [["clpeak", "--global-bandwidth", "--compute-sp", "--compute-integer", "--transfer-bandwidth", "--kernel-latency"]],
                without_numbers, differences="speeds"),
        Program("hashcat", "self-test, then MD5 of a five-letter word by mask", ["hashcat", "--version"],
                [["hashcat", "--potfile-disable", "--quiet", "-D", "1,2", "-m", "0", "-a", "3", "8b1a9953c4611296a827abf8c47804d7",
                  "H?l?l?l?l"]], cracked),
        Program("CLBlast, C API", "saxpy, sdot, sgemv, sgemm against known answers",
                ["dpkg-query", "-W", "-f=${Version}", "libclblast1"], [[str(work / "CLBlast, C API/clblast_check")]], as_it_is,
                prepare_clblast),
        Program("CLBlast, its tuner", "clblast_tuner_xdot: its own client, checks every variant",
                ["dpkg-query", "-W", "-f=${Version}", "clblast-utils"], [["clblast_tuner_xdot", "-n", "65536", "-runs", "1"]],
                tuner_verdicts, differences="speeds"),
        Program("PyOpenCL", "its own test-suite, from the source of the same version",
                [PYTHON, "-c", "import pyopencl; print(pyopencl.VERSION_TEXT)"], [["sh", "-c", pyopencl_tests]], test_outcomes,
                prepare_pyopencl, statuses=(0, 1), timeout=3600,
                remote_differences="fine-grain shared virtual memory is not there to be tested", remote_lines=("test_fine_grain_svm",)),
        Program("tinygrad", "its OpenCL backend (GPU=1) trains a small network", [str(work / "tinygrad/venv/bin/pip"), "show", "tinygrad"],
                [[str(work / "tinygrad/venv/bin/python"), str(HERE / "tinygrad_train.py")]], as_it_is, prepare_venv,
                environment={"CACHELEVEL": "0", "GPU": "1"}),
        Program("leela-zero", "OpenCL tuner, self-check against the CPU, and a search with a small random network",
                ["dpkg-query", "-W", "-f=${Version}", "leela-zero"], [leela], leela_facts, prepare_leela,
                environment={"HOME": str(work / "leela-zero/home")}, differences="speeds and tuning",
                remote_differences="what the driver itself prints to stderr stays at the worker", remote_lines=("error generated.",)),
    ]
