#!/usr/bin/python3
"""Fault matrix, row "agent": {SIGKILL, SIGSTOP, hang, crash} while programs work in two slices. No call of theirs may fail."""
import signal
import unittest

from cases import AgentCase
from harness import wait_for


class AgentDies(AgentCase):
    def die_and_return(self, number: int) -> None:
        first, second = self.working("first"), self.working("second")
        self.agent.signal(number)
        wait_for(lambda: self.agent.process.poll() is not None, "the agent's end")
        self.agent.start()
        first.wait_progress(20)
        second.wait_progress(20)
        self.assertEqual({"first", "second"}, set(self.agent.slices()), "the slices were recovered")
        self.assert_ends_well(first)
        self.assert_ends_well(second)

    def test_agent_sigkill(self) -> None:
        self.die_and_return(signal.SIGKILL)

    def test_agent_crash(self) -> None:
        self.die_and_return(signal.SIGSEGV)

    def test_agent_sigkill_the_holder_works_on_without_it(self) -> None:
        alone = self.working("alone")
        self.agent.signal(signal.SIGKILL)
        alone.wait_progress(50)
        self.agent.start()
        self.assert_ends_well(alone)

    def test_agent_sigkill_memory_is_still_charged_afterwards(self) -> None:
        holder = self.client("holder", "hold", "64")
        holder.wait_line("ready")
        self.agent.restart()
        wait_for(lambda: self.agent.memory_used("holder") >= 64 << 20, "the charge of 64 MiB to be back")
        self.assert_ends_well(holder)


class AgentStops(AgentCase):
    def test_agent_sigstop(self) -> None:
        first, second = self.working("first"), self.working("second")
        self.agent.signal(signal.SIGSTOP)
        self.agent.signal(signal.SIGCONT)
        first.wait_progress(20)
        second.wait_progress(20)
        self.assert_ends_well(first)
        self.assert_ends_well(second)

    def test_agent_sigstop_a_lone_program_works_on(self) -> None:
        alone = self.working("alone")
        self.agent.signal(signal.SIGSTOP)
        alone.wait_progress(50)
        self.agent.signal(signal.SIGCONT)
        self.assert_ends_well(alone)

    def test_agent_hang_commands_give_up_with_a_reason(self) -> None:
        self.agent.signal(signal.SIGSTOP)
        try:
            done = self.agent.cli("status", check=False, timeout=60)
        finally:
            self.agent.signal(signal.SIGCONT)
        self.assertNotEqual(0, done.returncode)
        self.assertTrue(done.stderr.startswith("xpool: "), done.stderr)


if __name__ == "__main__":
    unittest.main()
