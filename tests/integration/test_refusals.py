#!/usr/bin/python3
"""Wrong requests get a clear answer: nonsense shares and sizes, more than there is, unknown names, no agent, no permission."""
import os
import tempfile
import unittest

from cases import BUILD, CLIENT, AgentCase
from harness import Agent, Client


class CommandLine(AgentCase):
    def assert_refused(self, *arguments: str, words: tuple[str, ...] = ()) -> None:
        done = self.agent.cli(*arguments, check=False)
        self.assertNotEqual(0, done.returncode, arguments)
        self.assertTrue(done.stderr.strip(), arguments)
        for word in words:
            self.assertIn(word, done.stderr, arguments)
        self.assertEqual({}, self.agent.slices(), f"{arguments} left something behind")

    def test_nonsense_shares(self) -> None:
        for share in ("0%", "-5%", "101%", "1e999%", "nan", "half", "30%%", "", "99999999999999999999%"):
            self.assert_refused("run", f"--compute={share}", "--", "true")
            self.assert_refused("slice", "create", "s", f"--compute={share}")

    def test_limit_below_guarantee(self) -> None:
        self.assert_refused("run", "--compute", "50%", "--limit", "20%", "--", "true")

    def test_nonsense_sizes(self) -> None:
        for size in ("0", "-1", "12Q", "1e30Gi", "99999999999Ti", "18446744073709551616", "Mi", ""):
            self.assert_refused("run", f"--memory={size}", "--", "true")

    def test_more_memory_than_the_card_has(self) -> None:
        self.assert_refused("run", "--memory", "900Gi", "--", "true")

    def test_unknown_names(self) -> None:
        self.assert_refused("run", "--slice", "nobody", "--", "true", words=("nobody",))
        self.assert_refused("run", "--xpu", "xpu99", "--", "true", words=("xpu99",))
        self.assert_refused("slice", "delete", "nobody", words=("nobody",))
        self.assert_refused("slice", "resize", "nobody", "--compute", "10%", words=("nobody",))
        self.assert_refused("run", "--priority", "urgent", "--", "true", words=("urgent",))

    def test_unknown_program_is_127(self) -> None:
        done = self.agent.cli("run", "--", "no-such-program-anywhere", check=False)
        self.assertEqual(127, done.returncode)
        self.assertIn("no-such-program-anywhere", done.stderr)

    def test_guarantees_over_100_percent_in_sum(self) -> None:
        self.agent.cli("slice", "create", "big", "--compute", "70%", "--memory", "64Mi")
        done = self.agent.cli("slice", "create", "more", "--compute", "40%", "--memory", "64Mi", check=False)
        self.assertNotEqual(0, done.returncode)
        self.assertIn("30", done.stderr, "says what is free")
        done = self.agent.cli("slice", "resize", "big", "--compute", "101%", check=False)
        self.assertNotEqual(0, done.returncode)
        self.assertEqual(["big"], list(self.agent.slices()))

    def test_memory_over_the_card_in_sum(self) -> None:
        self.agent.cli("slice", "create", "big", "--memory", "700Mi")  # of the null driver's 1Gi
        done = self.agent.cli("slice", "create", "more", "--memory", "700Mi", check=False)
        self.assertNotEqual(0, done.returncode)
        self.assertIn("Mi", done.stderr, "says what is free")

    def test_exit_status_is_the_programs_own(self) -> None:
        for status in (0, 1, 42):
            self.assertEqual(status, self.agent.cli("run", "--", "sh", "-c", f"exit {status}", check=False).returncode)


class Quota(AgentCase):
    def test_allocation_past_the_quota_is_refused_by_opencl(self) -> None:
        client = self.agent.run("--memory", "64Mi", "--", CLIENT, "alloc", "200")
        self.assertEqual(0, client.finish())
        self.assertIn(client.lines[-1], ("alloc -61", "alloc -4"))  # over the largest allocation, or over the quota

    def test_two_programs_share_one_quota(self) -> None:
        self.agent.cli("slice", "create", "shared", "--memory", "64Mi")
        holder = self.agent.run("--slice", "shared", "--", CLIENT, "hold", "48")
        holder.wait_line("ready")
        second = self.agent.run("--slice", "shared", "--", CLIENT, "alloc", "32")
        self.assertEqual(0, second.finish())
        self.assertEqual("alloc -4", second.lines[-1])
        self.assertEqual(0, holder.finish())
        third = self.agent.run("--slice", "shared", "--", CLIENT, "alloc", "32")
        self.assertEqual(0, third.finish())
        self.assertEqual("alloc 0", third.lines[-1])


class NoAgent(unittest.TestCase):
    """A program that reaches the library without an agent gets no device, at once, and one line that says what to do."""

    def setUp(self) -> None:
        self.agent = Agent(BUILD, null=True)
        self.addCleanup(self.agent.close)
        self.environment = {**self.agent.environment, **self.agent.shim_variables(), "XPOOL_SLICE": "mine"}

    def assert_no_device(self, *words: str, **popen) -> None:
        client = Client([CLIENT, "devices"], self.environment, **popen)
        self.addCleanup(client.kill)
        self.assertEqual(0, client.finish(), client.errors)
        self.assertEqual(["devices -1"], client.lines)
        self.assertEqual(1, len(client.errors), client.errors)
        for word in words:
            self.assertIn(word, client.errors[0])

    def test_no_agent(self) -> None:
        self.assert_no_device("xpool")

    def test_no_slice_named(self) -> None:
        self.agent.start()
        del self.environment["XPOOL_SLICE"]
        self.assert_no_device("XPOOL_SLICE")

    def test_unknown_slice(self) -> None:
        self.agent.start()
        self.assert_no_device("mine")

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_no_permission(self) -> None:
        self.agent.start()
        self.agent.cli("slice", "create", "mine", "--memory", "64Mi")
        (self.agent.path / "session.sock").chmod(0o600)
        self.assert_no_device("ermission", user=65534, group=65534, extra_groups=[])


class NoDriver(unittest.TestCase):
    def test_no_opencl_driver_is_said(self) -> None:
        agent = Agent(BUILD, null=True)
        self.addCleanup(agent.close)
        with tempfile.TemporaryDirectory() as empty:
            agent.environment["XPOOL_ICD_VENDORS"] = empty
            agent.spawn()
            done = agent.cli("run", "--", "true", check=False)
            self.assertEqual(125, done.returncode)
            self.assertTrue("driver" in done.stderr or "device" in done.stderr or "XPU" in done.stderr, done.stderr)


if __name__ == "__main__":
    unittest.main()
