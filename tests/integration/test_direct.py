#!/usr/bin/python3
"""A program whose context spans two nodes: its data goes from one to the other directly where the agents allow it
(xpoold --peer), and by way of the program where they do not. Two agents on this machine, over the null driver.
"""
import os
import signal
import unittest

from cases import BUILD
from harness import Agent, Client, free_address
from remote_cases import Lab, RemoteCase, install_identity

PROGRAM = str(BUILD / "bin/integration_span_client")


class TwoNodes(RemoteCase):
    way = "tcp"
    peers = True

    def start(self) -> None:
        self.other = Agent(BUILD, null=True)
        self.addCleanup(self.other.close)
        addresses = [free_address(), free_address()]
        door = "--listen-plain" if self.way == "tcp" else "--listen"
        for agent, own, other in zip((self.agent, self.other), addresses, reversed(addresses)):
            agent.arguments = [door, own, *(("--peer", other) if self.peers else ())]
            self.prepare(agent)
            agent.start()

    def prepare(self, agent: Agent) -> None:
        """Before |agent| is started."""

    def program(self, mebibytes: int, rounds: int) -> Client:
        return self.agent.run(*self.agent.where(self.way, self.other), "--compute", "50%", "--memory", "256Mi", "--", PROGRAM,
                              str(mebibytes), str(rounds))

    def assert_moves_data(self, seen: str, not_seen: str) -> None:
        """The program ends well; an agent has told the event |seen|, and none |not_seen|."""
        client = self.program(20, 3)
        self.assertEqual(0, client.finish(120), client.lines + client.errors)
        self.assertIn("done 3", client.lines)
        events = self.agent.events() + self.other.events()
        self.assertIn(f'"{seen}"', events)
        self.assertNotIn(f'"{not_seen}"', events)


class Allowed(TwoNodes):
    def test_data_goes_directly(self) -> None:
        self.assert_moves_data("peer-connected", not_seen="peer-refused")

    def test_killed_worker_ends_the_program_in_time(self) -> None:
        client = self.program(64, 0)
        client.wait_line("moved")
        receivers = self.other.sessions()
        self.assertEqual(1, len(receivers))
        os.kill(receivers[0]["pid"], signal.SIGKILL)
        client.wait_line("failed", deadline=60)
        self.assertNotEqual(0, client.finish(60))
        self.assertFalse(any(line.startswith("wrong") for line in client.lines))


class Refused(TwoNodes):
    peers = False

    def test_data_is_relayed(self) -> None:
        self.assert_moves_data("peer-refused", not_seen="peer-connected")


class UnderTls(TwoNodes):
    way = "tls"

    def start(self) -> None:
        self.lab = Lab(self.agent.directory / "lab", self.agent.environment)
        self.node = self.lab.issue("node", "gpu", "--address", "127.0.0.1")
        self.agent.environment["XPOOL_IDENTITY"] = str(self.lab.issue("user", "ada"))
        super().start()

    def prepare(self, agent: Agent) -> None:
        install_identity(agent, self.node)

    def test_data_goes_directly(self) -> None:
        self.assert_moves_data("peer-connected", not_seen="peer-refused")


if __name__ == "__main__":
    unittest.main()
