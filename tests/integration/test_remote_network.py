#!/usr/bin/python3
"""Remote slices over a network that fails: two network namespaces whose cable is cut. Needs root; skipped otherwise."""
import os
import subprocess
import time
import unittest

from cases import CLIENT
from harness import Client, wait_for
from namespaces import TwoMachines
from remote_cases import RemoteCase

RESUME_WINDOW = 30.0  # as Link and ClientSession have it


@unittest.skipIf(os.geteuid() != 0, "network namespaces need root")
class CableIsCut(RemoteCase):
    """The machine's own driver: what is computed is compared."""

    null = False
    rounds = 3_000

    def start(self) -> None:
        self.machines = TwoMachines()
        self.addCleanup(self.machines.close)
        self.agent.prefix = list(self.machines.lender_prefix)
        self.agent.arguments = ["--listen-plain", f"{self.machines.lender}:0"]
        self.agent.start()

    def native_result(self) -> str:
        clean = {name: value for name, value in self.agent.environment.items() if name != "XPOOL_DIR"}
        done = subprocess.run([CLIENT, "chain", str(self.rounds)], env=clean, text=True, capture_output=True, timeout=200, check=True)
        return done.stdout.splitlines()[-1]

    def chain(self) -> Client:
        client = self.client_by("tcp", "chain", "chain", str(self.rounds), compute="50%", prefix=self.machines.borrower_prefix)
        client.wait_progress(200)
        return client

    def cut_for(self, seconds: float, client: Client) -> None:
        self.machines.cut()
        time.sleep(seconds / 2)
        standing = client.progress()
        time.sleep(seconds / 2)
        self.assertEqual(standing, client.progress(), "the cable is not cut")
        self.assertIsNone(client.process.poll(), client.errors)
        self.machines.mend()

    def assert_goes_on_after(self, seconds: float) -> None:
        client = self.chain()
        self.cut_for(seconds, client)
        self.assertEqual(self.native_result(), client.wait_line("hash", deadline=200))
        self.assertEqual(0, client.finish(), client.errors)
        self.assert_no_slice_is_left()

    def test_two_seconds(self) -> None:
        self.assert_goes_on_after(2)

    def test_longer_than_either_side_believes_in_the_connection(self) -> None:
        self.assert_goes_on_after(20)

    def test_longer_than_the_resume_window(self) -> None:
        client = self.chain()
        self.machines.cut()
        self.assertEqual(1, client.process.wait(RESUME_WINDOW + 60))
        self.assertRegex(client.wait_line("failed"), r"failed cl\w+ -\d+")
        client.finish()
        self.assertIn("did not come back within 30 s", " ".join(client.errors))
        wait_for(lambda: "chain" not in self.agent.slices(), "the lender to end the loan", deadline=90)
        self.event("loan-ended", "not renewed")
        self.machines.mend()
        self.chain()  # works again


if __name__ == "__main__":
    unittest.main()
