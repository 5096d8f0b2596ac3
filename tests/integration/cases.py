"""What the integration tests share: an agent over the null driver for each test, and programs in its slices."""
import os
import unittest
from pathlib import Path

from harness import Agent, Client

BUILD = Path(os.environ.get("XPOOL_BUILD", Path(__file__).resolve().parents[2] / "build/release"))
CLIENT = str(BUILD / "bin/integration_client")
KERNEL_US = 1000  # long enough to hold leases, short enough for quick tests


class AgentCase(unittest.TestCase):
    """One agent a test; clients and agent end with it."""

    arguments: tuple[str, ...] = ()
    variables: dict[str, str] = {}
    null = True  # the null driver; False: the machine's

    def setUp(self) -> None:
        self.agent = Agent(BUILD, null=self.null, arguments=self.arguments, variables=self.variables)
        self.addCleanup(self.agent.close)
        self.addCleanup(self.show_log_on_failure)
        self.start()

    def start(self) -> None:
        self.agent.start()

    def show_log_on_failure(self) -> None:
        result = self._outcome.result
        if any(test is self for test, _ in result.failures + result.errors):
            print(f"--- {self.id()}: the agent's log\n{self.agent.log[-3000:]}")

    def client(self, name: str, *what: str, compute: str = "40%", faults: str = "", kernel_us: int = KERNEL_US) -> Client:
        """integration_client in a slice |name| of its own."""
        variables = {"XPOOL_NULL_KERNEL_US": str(kernel_us)}
        if faults:
            variables["XPOOL_NULL_FAULT"] = faults
        return self.agent.run("--name", name, "--compute", compute, "--memory", "128Mi", "--", CLIENT, *what, variables=variables)

    def working(self, name: str, **how) -> Client:
        """A client that launches kernels for ever and has completed some."""
        client = self.client(name, "work", **how)
        client.wait_progress()
        return client

    def assert_ends_well(self, client: Client) -> None:
        status = client.finish()
        self.assertEqual((0, []), (status, [line for line in client.lines if line.startswith("failed")]), client.errors)
        self.assertIn("done 0", client.lines)

    def assert_agent_lives(self) -> None:
        self.assertIsNone(self.agent.process.poll(), "the agent has died")
        self.agent.cli("status")
