#!/usr/bin/python3
"""Bad input on the sockets and in the control page: garbage, halves, wrong versions, scribbling. The agent and everybody else
work on."""
import mmap
import os
import random
import signal
import socket
import tempfile
import unittest

import wire
from cases import BUILD, CLIENT, AgentCase
from harness import Agent, Client, wait_for


class SessionSocket(AgentCase):
    arguments = ("--hang-limit", "1s")

    def setUp(self) -> None:
        super().setUp()
        self.other = self.working("other")
        self.agent.cli("slice", "create", "mine", "--compute", "20%", "--memory", "64Mi")

    def tearDown(self) -> None:
        self.other.wait_progress(20)
        self.assert_ends_well(self.other)
        self.assert_agent_lives()

    def connect(self) -> socket.socket:
        connection = wire.connect(self.agent.path / "session.sock")
        self.addCleanup(connection.close)
        return connection

    def answer(self, data: bytes) -> tuple[int, bytes]:
        connection = self.connect()
        connection.send(data)
        reply, descriptors = wire.receive(connection)
        for descriptor in descriptors:
            os.close(descriptor)
        return wire.kind_of(reply), reply

    def attach(self) -> tuple[socket.socket, list[int]]:
        connection = self.connect()
        connection.send(wire.hello("mine"))
        reply, descriptors = wire.receive(connection)
        self.assertEqual(wire.WELCOME, wire.kind_of(reply), wire.refusal_text(reply))
        self.assertEqual(3, len(descriptors))
        for descriptor in descriptors:
            self.addCleanup(os.close, descriptor)
        return connection, descriptors

    def test_garbage_closes_the_connection(self) -> None:
        source = random.Random(5)
        for length in (1, 15, 16, 17, 175, 176, 177, 944, 2048, 4000):
            kind, _ = self.answer(source.randbytes(length))
            self.assertIn(kind, (0, wire.REFUSAL), f"{length} bytes of garbage")

    def test_half_a_hello_closes_the_connection(self) -> None:
        whole = wire.hello("mine")
        for length in range(1, len(whole), 25):
            kind, _ = self.answer(whole[:length])
            self.assertIn(kind, (0, wire.REFUSAL), f"{length} bytes of a hello")

    def test_wrong_version_is_refused_with_a_reason(self) -> None:
        kind, reply = self.answer(wire.hello("mine", version=99))
        self.assertEqual(wire.REFUSAL, kind)
        self.assertIn("version", wire.refusal_text(reply))

    def test_wrong_magic_and_wrong_size_are_not_welcome(self) -> None:
        for data in (wire.hello("mine", magic=1), wire.hello("mine", size=4), wire.hello("mine", size=1 << 31)):
            kind, _ = self.answer(data)
            self.assertIn(kind, (0, wire.REFUSAL))

    def test_unknown_slice_is_refused_by_name(self) -> None:
        kind, reply = self.answer(wire.hello("no-such-slice"))
        self.assertEqual(wire.REFUSAL, kind)
        self.assertIn("no-such-slice", wire.refusal_text(reply))

    def test_name_without_an_end_is_not_welcome(self) -> None:
        data = bytearray(wire.hello("mine"))
        data[16:80] = b"x" * 64
        kind, _ = self.answer(bytes(data))
        self.assertIn(kind, (0, wire.REFUSAL))

    def test_message_before_hello_is_not_welcome(self) -> None:
        kind, _ = self.answer(wire.message(wire.MEMORY_REQUEST, (1 << 20).to_bytes(8, "little")))
        self.assertIn(kind, (0, wire.REFUSAL))

    def test_made_up_session_holds_no_lease_and_no_memory(self) -> None:
        kind, _ = self.answer(wire.hello("mine", session=12345, lease=(7 << 32) | 1, memory=1 << 50))
        self.assertIn(kind, (0, wire.WELCOME, wire.REFUSAL))
        wait_for(lambda: self.agent.memory_used("mine") <= 64 << 20, "no charge over the slice's memory")

    def test_huge_memory_request_is_answered_with_nothing(self) -> None:
        connection, _ = self.attach()
        for asked in (1 << 40, (1 << 64) - 1):
            connection.send(wire.message(wire.MEMORY_REQUEST, asked.to_bytes(8, "little")))
            reply, _ = wire.receive(connection)
            self.assertEqual(0, int.from_bytes(reply[16:24], "little"), "granted")

    def test_garbage_after_hello_ends_that_session_only(self) -> None:
        connection, _ = self.attach()
        connection.send(b"\xff" * 100)
        self.assertEqual(b"", wire.receive(connection)[0])

    def test_connections_that_say_nothing_do_not_stop_others(self) -> None:
        silent = [self.connect() for _ in range(50)]
        self.attach()
        for connection in silent:
            connection.close()

    def test_scribbled_control_page_hurts_nobody_else(self) -> None:
        """A page that says "busy" for ever is a hung holder: its process, a child here, is killed after the hang limit."""
        child = os.fork()
        if child == 0:
            try:
                self.scribble()
            finally:
                os._exit(0)
        try:
            for _ in range(5):
                self.other.wait_progress(20)
        finally:
            try:
                os.kill(child, signal.SIGKILL)
            finally:
                os.waitpid(child, 0)

    def scribble(self) -> None:
        _, (page, doorbell, _) = self.attach()
        source = random.Random(6)
        with mmap.mmap(page, wire.PAGE_BYTES) as memory:
            while True:
                for content in (source.randbytes(wire.PAGE_BYTES), b"\0" * wire.PAGE_BYTES, b"\xff" * wire.PAGE_BYTES):
                    memory[:] = content
                    os.write(doorbell, (1).to_bytes(8, "little"))

    def test_control_page_cannot_be_truncated_or_grown(self) -> None:
        _, (page, _, _) = self.attach()
        for length in (0, 100, 1 << 20):
            with self.assertRaises(PermissionError):
                os.ftruncate(page, length)

    def test_control_socket_survives_garbage(self) -> None:
        source = random.Random(7)
        for length in (1, 24, 100, 70_000):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(self.agent.path / "control.sock"))
                try:
                    connection.sendall(source.randbytes(length))
                except (BrokenPipeError, ConnectionResetError):
                    pass
        self.agent.cli("status")


class FalseAgent(unittest.TestCase):
    """What the library in the program makes of an agent that sends nonsense: no device and one line on stderr."""

    def ask(self, *answers: tuple[bytes, list[int]]) -> Client:
        with tempfile.TemporaryDirectory() as folder:
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            listener.bind(folder + "/session.sock")
            listener.listen()
            listener.settimeout(20)
            self.addCleanup(listener.close)
            agent = Agent(BUILD, null=True)
            self.addCleanup(agent.close)
            client = Client([CLIENT, "devices"],
                            {**agent.environment, **agent.shim_variables(), "XPOOL_DIR": folder, "XPOOL_SLICE": "mine"})
            self.addCleanup(client.kill)
            connection, _ = listener.accept()
            with connection:
                wire.receive(connection)
                for data, descriptors in answers:
                    wire.send_with_descriptors(connection, data, descriptors) if descriptors else connection.send(data)
                self.assertEqual(0, client.finish(), client.errors)
            for _, descriptors in answers:
                for descriptor in descriptors:
                    os.close(descriptor)
            self.assertEqual(["devices -1"], client.lines)
            self.assertEqual(1, len(client.errors), client.errors)
            return client

    def descriptors(self, length: int) -> list[int]:
        return [wire.page(b"\0" * min(length, 64), length), os.eventfd(0), os.eventfd(0)]

    def test_truncated_control_page_is_refused(self) -> None:
        for length in (0, 10, 4095):
            with self.subTest(length=length):
                self.ask((wire.welcome(), self.descriptors(length)))

    def test_control_page_that_could_shrink_is_refused(self) -> None:
        self.ask((wire.welcome(), self.descriptors(wire.PAGE_BYTES)))

    def test_welcome_without_descriptors_is_refused(self) -> None:
        self.ask((wire.welcome(), []))

    def test_garbage_is_refused(self) -> None:
        self.ask((b"\xff" * 300, []))

    def test_other_version_is_refused(self) -> None:
        client = self.ask((wire.message(wire.WELCOME, wire.welcome()[16:], version=99), []))
        self.assertIn("version", client.errors[0])


if __name__ == "__main__":
    unittest.main()
