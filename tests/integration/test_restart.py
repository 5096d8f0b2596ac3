#!/usr/bin/python3
"""Load that goes on while things change: the agent killed again and again, slices resized, many programs coming and going. No
call of any program may fail."""
import signal
import unittest

from cases import CLIENT, AgentCase
from harness import wait_for


class UnderLoad(AgentCase):
    def test_agent_killed_again_and_again(self) -> None:
        programs = [self.working(f"program{number}", compute="20%") for number in range(4)]
        for _ in range(5):
            self.agent.restart()
            for program in programs:
                program.wait_progress(5)
        for program in programs:
            self.assert_ends_well(program)

    def test_agent_terminated_in_order_and_started_again(self) -> None:
        first, second = self.working("first"), self.working("second")
        self.agent.process.terminate()
        self.agent.process.wait(20)
        self.agent.start()
        for program in (first, second):
            program.wait_progress(20)
            self.assert_ends_well(program)

    def test_program_killed_while_the_agent_is_away(self) -> None:
        first, second = self.working("first"), self.working("second")
        self.agent.signal(signal.SIGKILL)
        first.kill()
        self.agent.start()
        second.wait_progress(50)
        wait_for(lambda: "first" not in self.agent.slices(), "the slice of the dead program to be gone")
        self.assert_ends_well(second)

    def test_allocation_while_the_agent_is_away_is_decided_afterwards(self) -> None:
        self.agent.cli("slice", "create", "shared", "--compute", "10%", "--memory", "64Mi")
        holder = self.agent.run("--slice", "shared", "--", CLIENT, "hold", "48")
        holder.wait_line("ready")
        self.agent.restart()
        second = self.agent.run("--slice", "shared", "--", CLIENT, "alloc", "32")
        self.assertEqual(0, second.finish())
        self.assertEqual("alloc -4", second.lines[-1], "the first program's memory still counts")
        self.assert_ends_well(holder)

    def test_resize_while_programs_run(self) -> None:
        first, second = self.working("first"), self.working("second")
        for share in ("10%", "55%", "30%"):
            self.agent.cli("slice", "resize", "first", "--compute", share)
            first.wait_progress(10)
            second.wait_progress(10)
        self.assert_ends_well(first)
        self.assert_ends_well(second)

    def test_deleting_a_slice_in_use_needs_force(self) -> None:
        first = self.working("first")
        self.assertNotEqual(0, self.agent.cli("slice", "delete", "first", check=False).returncode)
        first.wait_progress(10)
        self.assert_ends_well(first)

    def test_many_programs_come_and_go(self) -> None:
        greedy = self.working("greedy", compute="10%")
        for round_number in range(3):
            programs = [self.client(f"p{round_number}-{number}", "work", compute="10%") for number in range(6)]
            for program in programs:
                program.wait_progress(2)
            for program in programs:
                self.assert_ends_well(program)
        wait_for(lambda: set(self.agent.slices()) == {"greedy"}, "the slices of programs that ended to be gone")
        self.assert_ends_well(greedy)


if __name__ == "__main__":
    unittest.main()
