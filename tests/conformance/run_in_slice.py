#!/usr/bin/python3
"""Runs a program in a slice of an agent of its own, and returns its exit status.

Modes: slice (the machine's drivers, alone), contended (beside a slice that saturates the XPU, so that commands are deferred),
null and null-contended (the same over the null driver, whose kernels then take half a millisecond).
"""
import argparse
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from harness import Agent  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, type=Path)
    parser.add_argument("--mode", required=True, choices=["slice", "contended", "null", "null-contended"])
    parser.add_argument("program", nargs="+")
    arguments = parser.parse_args()
    with Agent(arguments.build, null=arguments.mode.startswith("null")) as agent:
        if arguments.mode.endswith("contended"):
            saturate = str(Path(arguments.program[0]).with_name("saturate"))  # built like the program: both load the same shim
            greedy = agent.run("--compute", "50%", "--memory", "64Mi", "--", saturate, "--kernel-ms", "0.5",
                               variables={"XPOOL_NULL_KERNEL_US": "500"})
            greedy.wait_line("saturating")
        done = subprocess.run([str(agent.build / "bin/xpool"), "run", "--compute", "50%", "--memory", "512Mi", "--",
                               *arguments.program], env=agent.environment)
        if agent.process.poll() is not None:
            print(f"the agent ended with {agent.process.returncode}:\n{agent.log[-4000:]}", file=sys.stderr)
            return 1
        return done.returncode


if __name__ == "__main__":
    sys.exit(main())
