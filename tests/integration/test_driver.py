#!/usr/bin/python3
"""Fault matrix, row "driver": {SIGKILL, SIGSTOP, hang, crash}. A driver lives in the program that loaded it and, for a moment, in
the agent's probe child; so each column has a cell for the program's driver or the probe's, or both."""
import os
import signal
import unittest
from pathlib import Path

from cases import AgentCase
from harness import wait_for


class DriverFailsInTheProgram(AgentCase):
    arguments = ("--hang-limit", "1s")

    def test_driver_crash_in_a_call(self) -> None:
        other = self.working("other")
        victim = self.client("victim", "work", faults="clEnqueueNDRangeKernel:crash:10")
        victim.process.wait(30)
        self.assertIn(victim.finish(), (139, -signal.SIGSEGV))
        other.wait_progress(50)
        self.assert_ends_well(other)

    def test_driver_crash_in_a_kernel(self) -> None:
        other = self.working("other")
        victim = self.client("victim", "work", faults="kernel:crash:10")
        victim.process.wait(30)
        self.assertIn(victim.finish(), (139, -signal.SIGSEGV))
        other.wait_progress(50)
        self.assert_ends_well(other)

    def test_driver_hang_in_a_call(self) -> None:
        other = self.working("other")
        victim = self.client("victim", "work", faults="clEnqueueNDRangeKernel:hang:10")
        victim.wait_line("ready")
        other.wait_progress(50)
        self.assert_ends_well(other)

    def test_driver_error_reaches_the_program(self) -> None:
        other = self.working("other")
        victim = self.client("victim", "work", faults="clCreateBuffer:-6:1")
        self.assertEqual(1, victim.finish())
        self.assertIn("failed clCreateBuffer -6", victim.lines)
        other.wait_progress(20)
        self.assert_ends_well(other)

    def test_driver_error_of_a_queued_command_is_not_lost(self) -> None:
        other = self.working("other")
        victim = self.client("victim", "work", faults="clEnqueueNDRangeKernel:-5:30")
        victim.process.wait(30)
        self.assertEqual(1, victim.finish(), victim.lines[-3:])
        other.wait_progress(20)
        self.assert_ends_well(other)


class DriverFailsInTheProbe(AgentCase):
    """The agent never loads a driver itself: whatever its probe does, the agent answers, without that driver's devices."""

    def start(self) -> None:
        """Each test starts the agent itself."""

    def probe_pid(self) -> int:
        def child():
            pid = self.agent.process.pid
            for task in Path(f"/proc/{pid}/task").iterdir():
                for word in (task / "children").read_text().split():
                    if b"--probe" in Path(f"/proc/{word}/cmdline").read_bytes():
                        return int(word)
            return None
        return wait_for(child, "the agent's probe child")

    def assert_agent_has_no_device(self) -> None:
        wait_for(lambda: self.agent.cli("status", check=False).returncode == 0, "the agent to answer")
        self.assertNotIn("xpu0", self.agent.cli("devices", "--json").stdout)
        self.assertIn("null", self.agent.log, "the log names the driver that failed")

    def test_driver_crash_in_the_probe(self) -> None:
        self.agent.variables["XPOOL_NULL_FAULT"] = "clGetDeviceInfo:crash:1"
        self.agent.spawn()
        self.assert_agent_has_no_device()

    def test_driver_hang_in_the_probe(self) -> None:
        self.agent.variables["XPOOL_NULL_FAULT"] = "clGetDeviceInfo:hang:1"
        self.agent.spawn()
        self.assert_agent_has_no_device()

    def test_driver_sigkill_of_the_probe(self) -> None:
        self.agent.variables["XPOOL_NULL_FAULT"] = "clGetDeviceInfo:hang:1"
        self.agent.spawn()
        os.kill(self.probe_pid(), signal.SIGKILL)
        self.assert_agent_has_no_device()

    def test_driver_sigstop_of_the_probe(self) -> None:
        self.agent.variables["XPOOL_NULL_FAULT"] = "clGetDeviceInfo:hang:1"
        self.agent.spawn()
        os.kill(self.probe_pid(), signal.SIGSTOP)
        self.assert_agent_has_no_device()


if __name__ == "__main__":
    unittest.main()
