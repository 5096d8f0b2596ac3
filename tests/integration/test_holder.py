#!/usr/bin/python3
"""Fault matrix, row "lease holder": {SIGKILL, SIGSTOP, hang, crash} with kernels in flight. The others get the XPU."""
import os
import signal
import unittest

from cases import AgentCase
from harness import wait_for


class HolderFails(AgentCase):
    arguments = ("--hang-limit", "1s")

    def end_holder(self, number: int) -> None:
        # Kernels of 50 ms: ten quanta each, so the holder holds nearly always.
        holder = self.working("holder", kernel_us=50_000)
        other = self.working("other")
        os.kill(holder.program_pid(), number)
        self.assertIn(holder.finish(), (128 + number, -number))
        other.wait_progress(50)
        wait_for(lambda: "holder" not in self.agent.slices(), "the dead holder's slice to be gone")
        self.assert_ends_well(other)

    def test_holder_sigkill(self) -> None:
        self.end_holder(signal.SIGKILL)

    def test_holder_crash(self) -> None:
        self.end_holder(signal.SIGSEGV)

    def test_holder_crash_by_itself(self) -> None:
        other = self.working("other")
        holder = self.client("holder", "segv")
        holder.wait_line("ready")
        self.assertIn(holder.finish(), (139, -signal.SIGSEGV))
        other.wait_progress(50)
        self.assert_ends_well(other)

    def test_holder_sigstop(self) -> None:
        holder = self.working("holder")
        other = self.working("other")
        pid = holder.program_pid()
        os.kill(pid, signal.SIGSTOP)
        other.wait_progress(50)
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass
        # The null driver's commands run on a thread of the stopped process, so the agent may have had to end it.
        status = holder.finish()
        if status == 0:
            self.assertIn("done 0", holder.lines)
        else:
            self.assertIn(status, (137, -signal.SIGKILL))
            self.assertIn("lease-overrun", self.agent.events())
        self.assert_ends_well(other)

    def test_holder_hang(self) -> None:
        """A kernel that never ends: after --hang-limit its process is killed, and an event says so."""
        other = self.working("other")
        holder = self.client("holder", "work", faults="kernel:hang:10")
        holder.wait_line("ready")
        holder.process.wait(30)
        self.assertIn(holder.finish(), (137, -signal.SIGKILL))
        other.wait_progress(50)
        self.assertIn("lease-overrun", self.agent.events())
        self.assert_ends_well(other)

    def test_holder_hang_alone_is_left_alone(self) -> None:
        """Nobody waits, so nobody is harmed by a kernel that takes long: two seconds are twice the hang limit."""
        holder = self.client("holder", "work", kernel_us=2_000_000)
        holder.wait_line("ready")
        wait_for(lambda: holder.progress() >= 1, "the long kernel to end")
        self.assertIsNone(holder.process.poll(), holder.errors)


if __name__ == "__main__":
    unittest.main()
