#!/usr/bin/python3
"""Fault matrix, row "client": {SIGKILL, SIGSTOP, hang, crash} of a program that holds memory but no lease. The other works on."""
import os
import signal
import unittest

from cases import CLIENT, AgentCase
from harness import wait_for


class ClientFails(AgentCase):
    def setUp(self) -> None:
        super().setUp()
        self.agent.cli("slice", "create", "shared", "--compute", "40%", "--memory", "128Mi")
        self.victim = self.agent.run("--slice", "shared", "--", CLIENT, "idle", "32")
        self.victim.wait_line("ready")
        self.other = self.working("other")
        self.assertGreaterEqual(self.agent.memory_used("shared"), 32 << 20)

    def assert_memory_is_free(self) -> None:
        wait_for(lambda: self.agent.memory_used("shared") == 0, "the dead program's memory to be given back")

    def assert_other_is_well(self) -> None:
        self.other.wait_progress(20)
        self.assert_ends_well(self.other)

    def test_client_sigkill(self) -> None:
        os.kill(self.victim.program_pid(), signal.SIGKILL)
        self.assertIn(self.victim.finish(), (137, -signal.SIGKILL))
        self.assert_memory_is_free()
        self.assert_other_is_well()

    def test_client_crash(self) -> None:
        os.kill(self.victim.program_pid(), signal.SIGSEGV)
        self.assertIn(self.victim.finish(), (139, -signal.SIGSEGV))
        self.assert_memory_is_free()
        self.assert_other_is_well()

    def test_client_sigstop(self) -> None:
        pid = self.victim.program_pid()
        os.kill(pid, signal.SIGSTOP)
        self.other.wait_progress(50)
        self.assertGreaterEqual(self.agent.memory_used("shared"), 32 << 20, "a stopped program keeps its memory")
        os.kill(pid, signal.SIGCONT)
        self.assertEqual(0, self.victim.finish())
        self.assert_memory_is_free()
        self.assert_other_is_well()

    def test_client_hang(self) -> None:
        """The victim sits in its own code, with memory and a queue but without commands, as long as the test wants."""
        self.other.wait_progress(100)
        self.assertEqual(0, self.victim.finish())
        self.assert_memory_is_free()
        self.assert_other_is_well()

    def test_client_sigkill_of_xpool_run(self) -> None:
        """The program goes on in its slice, which ends with it."""
        runner = self.working("orphan", compute="10%")
        program = runner.program_pid()
        os.kill(runner.process.pid, signal.SIGKILL)
        runner.process.wait()
        try:
            self.other.wait_progress(20)
            self.assertIn("orphan", self.agent.slices())
        finally:
            os.kill(program, signal.SIGKILL)
        wait_for(lambda: "orphan" not in self.agent.slices(), "the slice to end with its last program")
        self.assert_other_is_well()


if __name__ == "__main__":
    unittest.main()
