#!/usr/bin/python3
"""Runs the conformance program in a slice of an agent of its own, and returns its exit status.

Modes: slice (the machine's drivers, alone), contended (beside a slice that saturates the XPU, so that commands are deferred),
ring (behind a worker process of this machine), tcp (behind a worker reached over loopback), and each of them over the null driver:
null, null-contended (whose kernels then take half a millisecond), null-ring, null-tcp. And nodes: slices of two agents at once,
as two devices; nodes-direct: the same, and data goes from one to the other directly.

In a remote slice a test may be skipped only where it is skipped in a local one too, or where REMOTE_SKIPS has it.
"""
import argparse
import fnmatch
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from harness import Agent, free_address  # noqa: E402

# Tests that skip in a remote slice only. A line that nothing needs any more is a failure.
REMOTE_SKIPS = {
    "NativeKernelTest.*": "a native kernel is a function of the program's process",
}
SLICE = ["--compute", "50%", "--memory", "512Mi"]


def run(agent: Agent, options: list[str], program: list[str]) -> int:
    return subprocess.run([str(agent.build / "bin/xpool"), "run", *SLICE, *options, "--", *program],
                          env=agent.environment).returncode


def skipped_tests(report: dict) -> tuple[set[str], set[str]]:
    """The names of all tests that ran or were skipped, and of the latter."""
    ran, skipped = set(), set()
    for suite in report["testsuites"]:
        for test in suite["testsuite"]:
            name = f"{suite['name']}.{test['name']}"
            if test["result"] == "SKIPPED":
                skipped.add(name)
            elif test["status"] == "RUN":
                ran.add(name)
    return ran | skipped, skipped


def run_and_list(agent: Agent, options: list[str], program: list[str]) -> tuple[int, set[str], set[str]]:
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        status = run(agent, options, [*program, f"--gtest_output=json:{file.name}"])
        text = Path(file.name).read_text()
    return (status, *skipped_tests(json.loads(text))) if text else (status or 1, set(), set())


def listed(test: str) -> bool:
    return any(fnmatch.fnmatch(test, pattern) for pattern in REMOTE_SKIPS)


def run_remotely(agent: Agent, kind: str, program: list[str]) -> int:
    status, tests, skipped = run_and_list(agent, agent.where(kind), program)
    skipped_locally: set[str] = set()
    if skipped:
        only = [program[0], f"--gtest_filter={':'.join(sorted(skipped))}"]
        print("the tests that were skipped, in a local slice:", flush=True)
        _, _, skipped_locally = run_and_list(agent, [], only)
    problems = [f"{test} is skipped in a remote slice only; see REMOTE_SKIPS"
                for test in sorted(skipped - skipped_locally) if not listed(test)]
    for pattern in REMOTE_SKIPS:
        if fnmatch.filter(tests, pattern) and not fnmatch.filter(skipped, pattern):
            problems.append(f"REMOTE_SKIPS has {pattern}, of which nothing is skipped any more: take it out")
    for problem in problems:
        print(problem, file=sys.stderr)
    return status or int(bool(problems))


def run_locally(agent: Agent, mode: str, program: list[str]) -> int:
    if mode.endswith("contended"):
        saturate = str(Path(program[0]).with_name("saturate"))  # built like the program: both load the same shim
        greedy = agent.run("--compute", "50%", "--memory", "64Mi", "--", saturate, "--kernel-ms", "0.5",
                           variables={"XPOOL_NULL_KERNEL_US": "500"})
        greedy.wait_line("saturating")
    return run(agent, [], program)


def run_on_nodes(agent: Agent, build: Path, other_arguments: tuple[str, ...], program: list[str]) -> int:
    with Agent(build, null=False, arguments=other_arguments) as other:
        status, tests, skipped = run_and_list(agent, agent.where("tcp", other), program)
        directly = [node for node in (agent, other) if '"peer-connected"' in node.events()]
    if not tests - skipped:
        print("all tests were skipped", file=sys.stderr)
    if len(directly) != (2 if "--peer" in other_arguments else 0):
        print(f"{len(directly)} of two nodes sent data directly", file=sys.stderr)
        return 1
    return status or int(not tests - skipped)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, type=Path)
    parser.add_argument("--mode", required=True, choices=["slice", "contended", "ring", "tcp", "null", "null-contended",
                                                          "null-ring", "null-tcp", "nodes", "nodes-direct"])
    parser.add_argument("program", nargs="+")
    arguments = parser.parse_args()
    kind = arguments.mode.removeprefix("null-")
    agent_arguments = ("--listen-plain", "127.0.0.1:0") if kind in ("tcp", "nodes") else ()
    other_arguments = agent_arguments
    if kind == "nodes-direct":
        first, second = free_address(), free_address()
        agent_arguments = ("--listen-plain", first, "--peer", second)
        other_arguments = ("--listen-plain", second, "--peer", first)
    with Agent(arguments.build, null=arguments.mode.startswith("null"), arguments=agent_arguments) as agent:
        if kind in ("ring", "tcp"):
            status = run_remotely(agent, kind, arguments.program)
        elif kind.startswith("nodes"):
            status = run_on_nodes(agent, arguments.build, other_arguments, arguments.program)
        else:
            status = run_locally(agent, arguments.mode, arguments.program)
        if agent.process.poll() is not None:
            print(f"the agent ended with {agent.process.returncode}:\n{agent.log[-4000:]}", file=sys.stderr)
            return 1
        return status


if __name__ == "__main__":
    sys.exit(main())
