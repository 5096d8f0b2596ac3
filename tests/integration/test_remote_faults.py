#!/usr/bin/python3
"""Remote slices when one part ends: worker, client, agent, slice. Who is not concerned loses no call; who is gets an error soon."""
import os
import signal
import time
import unittest

from harness import Client, wait_for
from remote_cases import RemoteCase

SOON = 20.0  # no call that cannot succeed any more may take longer
GRACE = 60.0  # of a loan, as gateway/loans.h has it


class FaultCase(RemoteCase):
    def start(self) -> None:
        super().start()
        # A restarted agent has to be found where the first one was.
        self.agent.arguments[self.agent.arguments.index("127.0.0.1:0")] = self.plain()

    def assert_loses_its_slice(self, client: Client, *words: str) -> None:
        """Its next call fails, it does not hang, and its user is told why."""
        self.assertEqual(1, client.process.wait(SOON), client.lines[-2:])
        self.assertRegex(client.wait_line("failed"), r"failed cl\w+ -\d+")
        client.finish()
        for word in words:
            self.assertIn(word, " ".join(client.errors))

    def assert_gone(self, name: str, deadline: float = SOON) -> None:
        wait_for(lambda: name not in self.agent.slices(), f"the slice {name} to be gone", deadline)


class WorkerEnds(FaultCase):
    def end_worker(self, way: str, number: int, *words: str) -> None:
        other, victim = self.working_by("tcp" if way == "ring" else "ring", "other"), self.working_by(way, "victim")
        self.kill_worker("victim", number)
        self.assert_loses_its_slice(victim, "was lost", *words)
        self.event("worker-died", *words)
        other.wait_progress(20)
        self.assert_gone("victim")
        self.assert_ends_well(other)

    def test_worker_sigkill_ring(self) -> None:
        self.end_worker("ring", signal.SIGKILL, "SIGKILL")

    def test_worker_sigkill_tcp(self) -> None:
        self.end_worker("tcp", signal.SIGKILL, "SIGKILL")

    def test_worker_crash(self) -> None:
        self.end_worker("tcp", signal.SIGSEGV, "SIGSEGV", "crashed")

    def test_worker_without_memory(self) -> None:
        """More programs than the worker has memory for, which is some GiB beside its slice: those cannot be built, the session goes on."""
        other = self.working_by("tcp", "other")
        hoarder = self.client_by("ring", "hoarder", "hoard", "60")
        self.assertRegex(hoarder.wait_line("build", 120), r"build -\d+")
        hoarder.wait_line("done")
        self.assertEqual(0, hoarder.finish(), hoarder.errors)
        other.wait_progress(20)
        self.assert_ends_well(other)

    def test_worker_sigkill_of_an_idle_program(self) -> None:
        victim = self.client_by("tcp", "victim", "idle", "8")
        victim.wait_line("ready")
        self.kill_worker("victim")
        self.event("worker-died", "SIGKILL")
        wait_for(lambda: any("was lost" in line for line in victim.errors), "the program's user to be told")
        self.assertEqual(0, victim.finish(), "it made no call afterwards")

    def test_worker_sigkill_while_the_agent_is_away(self) -> None:
        victim = self.working_by("tcp", "victim")
        pid = self.worker_of("victim")
        self.agent.signal(signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        self.agent.start()
        self.assert_loses_its_slice(victim, "was lost")
        self.event("worker-died", str(pid))


class ClientEnds(FaultCase):
    def end_client(self, way: str) -> None:
        other, victim = self.working_by("ring", "other"), self.client_by(way, "victim", "idle", "32")
        victim.wait_line("ready")
        worker = self.worker_of("victim")
        self.assertGreaterEqual(self.agent.memory_used("victim"), 32 << 20)
        os.kill(victim.program_pid(), signal.SIGKILL)
        self.assertIn(victim.finish(), (137, -signal.SIGKILL))
        self.assert_gone("victim")
        wait_for(lambda: not os.path.exists(f"/proc/{worker}"), "its worker to end")
        other.wait_progress(20)
        self.assert_ends_well(other)

    def test_client_sigkill_ring(self) -> None:
        self.end_client("ring")

    def test_client_sigkill_tcp(self) -> None:
        self.end_client("tcp")

    def test_client_sigkill_in_a_lasting_slice_returns_its_memory(self) -> None:
        self.agent.cli("slice", "create", "lasting", "--compute", "10%", "--memory", "64Mi")
        victim = self.client_of_file(f"address ring:{self.agent.path}/attach.sock\nslice lasting\n", "hold", "32")
        victim.wait_line("ready")
        self.assertGreaterEqual(self.agent.memory_used("lasting"), 32 << 20)
        victim.process.kill()
        wait_for(lambda: self.agent.memory_used("lasting") == 0, "its memory to be free")

    def test_client_and_xpool_run_sigkill_the_loan_ends(self) -> None:
        """Nobody is left to return the loan: it ends a minute after it was last renewed."""
        victim = self.client_by("tcp", "victim", "idle", "32")
        victim.wait_line("ready")
        victim.kill()
        self.assert_gone("victim", deadline=GRACE + 30)
        self.event("loan-ended", "not renewed")


class AgentEnds(FaultCase):
    def test_agent_sigkill_programs_go_on(self) -> None:
        programs = [self.working_by(way, f"by-{way}") for way in ("ring", "tcp")]
        workers = [self.worker_of(f"by-{way}") for way in ("ring", "tcp")]
        for _ in range(3):
            self.agent.restart()
            for program in programs:
                program.wait_progress(20)
        self.assertEqual(workers, [self.worker_of(f"by-{way}") for way in ("ring", "tcp")], "the workers are the same")
        for way in ("ring", "tcp"):
            self.assert_ends_well(self.working_by(way, f"new-{way}"))
        for program in programs:
            self.assert_ends_well(program)
        self.assert_no_slice_is_left()

    def test_agent_sigkill_loans_are_renewed(self) -> None:
        """Longer than a loan lasts without being renewed, counted anew by the restarted agent."""
        borrower = self.working_by("tcp", "borrowed")
        self.agent.restart()
        end = time.monotonic() + GRACE + 10
        while time.monotonic() < end:
            borrower.wait_progress(200)
            self.assertIn("borrowed", self.agent.slices(), borrower.errors)
        self.assert_ends_well(borrower)
        self.assertEqual([], borrower.errors)

    def test_agent_sigkill_a_lone_program_works_on_without_it(self) -> None:
        for way in ("ring", "tcp"):
            with self.subTest(way):
                program = self.working_by(way, "lone")
                self.agent.signal(signal.SIGKILL)
                program.wait_progress(50)
                self.agent.start()
                program.wait_progress(20)
                self.assert_ends_well(program)
                self.assert_no_slice_is_left()

    def test_agent_sigkill_client_that_ends_meanwhile(self) -> None:
        program = self.working_by("ring", "short")
        self.agent.signal(signal.SIGKILL)
        program.wait_progress(5)
        self.assert_ends_well(program)
        self.agent.start()
        self.assert_gone("short")


class SliceEnds(FaultCase):
    def test_slice_deleted_in_use(self) -> None:
        for way in ("ring", "tcp"):
            with self.subTest(way):
                other, victim = self.working_by("ring", "other"), self.working_by(way, "victim")
                self.assertNotEqual(0, self.agent.cli("slice", "delete", "victim", check=False).returncode, "it is in use")
                self.agent.cli("slice", "delete", "victim", "--force")
                self.assert_loses_its_slice(victim)
                self.assert_ends_well(other)
                self.assert_no_slice_is_left()

    def test_slice_resized_in_use(self) -> None:
        program = self.working_by("tcp", "resized")
        self.agent.cli("slice", "resize", "resized", "--compute", "50%", "--memory", "128Mi")
        program.wait_progress(20)
        self.assert_ends_well(program)


class Many(FaultCase):
    """Thirty-one programs that work beside one place where a program's worker crashes again and again."""

    arguments = (*RemoteCase.arguments, "--warm-workers", "4")

    def test_crashes_beside_thirty_one_programs(self) -> None:
        survivors = [self.client_by("ring" if number % 2 else "tcp", f"survivor{number}", "work", compute="2%", memory="16Mi")
                     for number in range(31)]
        for survivor in survivors:
            survivor.wait_progress(2, deadline=120)
        for number in range(5):
            victim = self.client_by("ring" if number % 2 else "tcp", f"victim{number}", "work", compute="2%", memory="16Mi")
            victim.wait_progress(1, deadline=60)
            self.kill_worker(f"victim{number}", signal.SIGSEGV)
            self.assert_loses_its_slice(victim, "SIGSEGV")
            self.assert_gone(f"victim{number}")
        for survivor in survivors:
            survivor.wait_progress(2, deadline=120)
        self.assert_all_end_well(survivors)


if __name__ == "__main__":
    unittest.main()
