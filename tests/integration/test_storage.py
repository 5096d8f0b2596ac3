#!/usr/bin/python3
"""The agent's disk: a corrupt database, a full disk, a directory of somebody else. It refuses to start, says why, keeps the file."""
import os
import resource
import signal
import unittest

from cases import BUILD, AgentCase
from harness import Agent


class Storage(AgentCase):
    def start(self) -> None:
        """Each test starts the agent itself."""

    def assert_refuses(self, *words: str, **popen) -> None:
        process = self.agent.spawn(**popen)
        self.assertNotEqual(0, process.wait(30))
        for word in words:
            self.assertIn(word, self.agent.log)

    def corrupt(self, content: bytes) -> None:
        self.agent.path.mkdir(exist_ok=True)
        self.agent.path.chmod(0o755)
        database = self.agent.path / "agent.db"
        database.write_bytes(content)
        self.assert_refuses("agent.db")
        self.assertEqual(content, database.read_bytes(), "the file must be kept as it is")

    def test_database_of_garbage(self) -> None:
        self.corrupt(os.urandom(8192))

    def test_database_with_a_broken_middle(self) -> None:
        self.agent.start()
        for number in range(20):
            self.agent.cli("slice", "create", f"slice{number}", "--compute", "1%", "--memory", "1Mi")
        self.agent.process.terminate()
        self.agent.process.wait(20)
        for name in ("agent.db-wal", "agent.db-shm"):
            (self.agent.path / name).unlink(missing_ok=True)
        content = bytearray((self.agent.path / "agent.db").read_bytes())
        for page in range(4096, len(content), 4096):
            content[page:page + 64] = b"\xff" * 64
        self.corrupt(bytes(content))

    def test_full_disk(self) -> None:
        """No file may grow: every write fails as it does on a full disk."""
        def no_room() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        self.agent.path.mkdir()
        self.agent.path.chmod(0o755)
        process = self.agent.spawn(preexec_fn=no_room, restore_signals=False)
        self.assertNotEqual(0, process.wait(30))

    def test_second_agent_in_one_directory(self) -> None:
        self.agent.start()
        first = self.agent.process
        try:
            self.assert_refuses(str(self.agent.path))
        finally:
            self.agent.process = first
        self.assert_agent_lives()

    def test_slices_survive_a_restart(self) -> None:
        self.agent.start()
        self.agent.cli("slice", "create", "kept", "--compute", "25%", "--memory", "64Mi")
        self.agent.restart()
        self.assertEqual(2500, int(self.agent.slices()["kept"]["guarantee_bp"]))


class ForeignDirectory(unittest.TestCase):
    def test_directory_others_can_write_is_refused(self) -> None:
        agent = Agent(BUILD, null=True)
        self.addCleanup(agent.close)
        agent.path.mkdir()
        agent.path.chmod(0o777)
        self.assertNotEqual(0, agent.spawn().wait(30))
        self.assertIn(str(agent.path), agent.log)


if __name__ == "__main__":
    unittest.main()
