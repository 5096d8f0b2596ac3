#!/usr/bin/python3
"""The doors of remote slices under peers that only cost: who speaks honestly meanwhile still gets a slice."""
import socket
import time
import unittest
from pathlib import Path

import remote_wire as wire
from harness import wait_for
from remote_cases import RemoteCase

HALF_OPEN = 2000
ELSEWHERE = "127.0.0.2"  # counted apart from the honest clients' address
QUERY_MEMORY = 0xF004  # a notice that is answered; see wire_opencl/notices.h


class Flood(RemoteCase):
    def tearDown(self) -> None:
        client = self.working_by("tcp", "honest")
        self.assert_ends_well(client)
        self.assert_agent_lives()

    def connect(self, source: str = "") -> socket.socket:
        connection = wire.connect(self.plain(), source)
        self.addCleanup(connection.close)
        return connection

    def descriptors(self) -> int:
        return len(list(self.agent_folder("fd").iterdir()))

    def threads(self) -> int:
        return len(list(self.agent_folder("task").iterdir()))

    def agent_folder(self, name: str) -> Path:
        return Path(f"/proc/{self.agent.process.pid}/{name}")

    def test_thousands_of_connections_that_say_nothing(self) -> None:
        before = self.descriptors()
        silent = [self.connect() for _ in range(HALF_OPEN)]
        self.assert_ends_well(self.working_by("tcp", "meanwhile"))
        self.assertLess(self.descriptors(), before + 200, "most of them are dropped")
        for connection in silent:
            connection.close()
        wait_for(lambda: self.descriptors() <= before + 20, "the descriptors to be given back")

    def test_connections_that_send_a_byte_at_a_time(self) -> None:
        """Slow loris: halves of a preamble, and whole ones behind which an Attach never ends."""
        halves = [self.connect(ELSEWHERE) for _ in range(40)]
        for connection in halves:
            connection.sendall(wire.preamble(wire.ATTACH)[:20])
        whole = [self.connect(ELSEWHERE) for _ in range(40)]
        for connection in whole:
            self.try_to_send(connection, wire.preamble(wire.ATTACH) + wire.attach("mine")[:17])
        self.assertLess(self.threads(), 100, "each waits on a thread of its own, of which there are few")
        for _ in range(5):
            self.assert_ends_well(self.working_by("tcp", "meanwhile"))
            for connection in halves + whole:
                self.try_to_send(connection, b"\0")

    def try_to_send(self, connection: socket.socket, data: bytes) -> None:
        try:
            connection.sendall(data)
        except OSError:  # dropped already
            pass

    def test_a_flood_of_garbage(self) -> None:
        for number in range(500):
            with self.connect(ELSEWHERE) as connection:
                self.try_to_send(connection, bytes([number % 256]) * 100)
        self.assert_ends_well(self.working_by("tcp", "meanwhile"))

    def test_a_client_that_never_reads(self) -> None:
        """Its answers are kept only up to a bound; then its session ends, and its worker with it."""
        self.agent.cli("slice", "create", "mine", "--compute", "10%", "--memory", "64Mi")
        session, token = self.open_session("mine")
        worker = self.worker_of("mine")
        lane = wire.connect(self.door())
        self.addCleanup(lane.close)
        lane.sendall(wire.preamble(wire.LANE, session=session) + wire.hello(session, token))
        self.assertEqual(wire.WELCOME_FRAME, wire.receive(lane)[0])
        self.ask_and_never_read(lane)
        self.event("worker-died", str(worker))
        self.assertEqual({"mine"}, set(self.agent.slices()))

    def ask_and_never_read(self, lane: socket.socket) -> None:
        """Calls that are answered, one after the other, until the worker takes no more or closes."""
        sequence, end = 0, time.monotonic() + 60
        lane.settimeout(1)
        while time.monotonic() < end:
            batch = b"".join(wire.frame(QUERY_MEMORY, b"", wire.CALL, wire.NEEDS_ANSWER, sequence + 1 + number) for number in range(500))
            try:
                lane.sendall(batch)
            except OSError:  # closed, or nothing is taken any more
                return
            sequence += 500

    def test_many_programs_at_once(self) -> None:
        """All of one address, then of one user: nobody is turned away."""
        for way in ("tcp", "ring"):
            with self.subTest(way):
                clients = [self.client_by(way, f"{way}{number}", "work", compute="1%", memory="8Mi") for number in range(32)]
                for client in clients:
                    client.wait_progress(1, deadline=120)
                self.assert_all_end_well(clients)


if __name__ == "__main__":
    unittest.main()
