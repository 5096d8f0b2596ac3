#!/usr/bin/python3
"""Attaching to remote slices: every way in, and who is refused with which words."""
import shutil
import socket
import ssl
import unittest
from pathlib import Path

import remote_wire as wire
from cases import CLIENT
from harness import wait_for
from remote_cases import Lab, RemoteCase, install_identity


class Ways(RemoteCase):
    def test_ring_and_tcp(self) -> None:
        for way in ("ring", "tcp"):
            with self.subTest(way):
                client = self.working_by(way, f"by-{way}")
                self.assertNotEqual(client.program_pid(), self.worker_of(f"by-{way}"), "the driver is in the program's process")
                self.assert_ends_well(client)
        self.assert_no_slice_is_left()

    def test_unix_socket(self) -> None:
        self.agent.cli("slice", "create", "lasting", "--compute", "10%", "--memory", "64Mi")
        client = self.client_of_file(f"address {self.door()}\nslice lasting\n", "work")
        client.wait_progress()
        self.event("remote-began", "integration_client", "lasting")
        self.assert_ends_well(client)
        self.event("remote-ended", "its client has ended")

    def test_a_lasting_slice_isolated(self) -> None:
        self.agent.cli("slice", "create", "lasting", "--compute", "10%", "--memory", "64Mi")
        client = self.agent.run("--isolated", "--slice", "lasting", "--", CLIENT, "alloc", "128")
        self.assertEqual(0, client.finish(), client.errors)
        self.assertEqual("alloc -61", client.lines[-1], "larger than the slice: no such buffer")
        self.assertIn("lasting", self.agent.slices())

    def test_two_programs_in_one_slice_share_its_memory(self) -> None:
        """The second one's buffer is refused by the worker, when it is used at the latest."""
        self.agent.cli("slice", "create", "lasting", "--compute", "10%", "--memory", "64Mi")
        holder = self.agent.run("--isolated", "--slice", "lasting", "--", CLIENT, "hold", "48")
        holder.wait_line("ready")
        second = self.agent.run("--isolated", "--slice", "lasting", "--", CLIENT, "hold", "32")
        self.assertEqual(1, second.process.wait(30))
        self.assertRegex(second.wait_line("failed"), "failed (clCreateBuffer|clEnqueueWriteBuffer|clFinish) -")
        self.event("quota-refused", "lasting")
        self.assertLessEqual(self.agent.memory_used("lasting"), 64 << 20)
        self.assert_ends_well(holder)

    def test_two_slices_are_two_devices(self) -> None:
        for count, platforms in (("1", "devices 1"), ("2", "devices 2")):
            client = self.agent.run("--count", count, "--compute", "10%", "--memory", "64Mi", *self.agent.where("tcp"), "--", CLIENT, "count")
            self.assertEqual(0, client.finish(), client.errors)
            self.assertEqual(platforms, client.lines[-1])


class Refusals(RemoteCase):
    def setUp(self) -> None:
        super().setUp()
        self.agent.cli("slice", "create", "mine", "--compute", "10%", "--memory", "64Mi")

    def assert_refused(self, answer: tuple[int, bytes], code: int, *words: str) -> None:
        self.assertEqual(wire.REFUSAL_FRAME, answer[0], answer)
        got, sentence = wire.refusal(answer[1])
        self.assertEqual(code, got, sentence)
        for word in words:
            self.assertIn(word, sentence)

    def attach(self, *arguments, **options) -> tuple[int, bytes]:
        return self.ask(wire.preamble(wire.ATTACH), wire.attach(*arguments, **options))

    def test_no_token(self) -> None:
        self.assert_refused(self.attach("mine"), wire.NOT_ENTITLED, "mine", "token", "xpool run --on")
        self.event("attach-refused", "127.0.0.1", "mine")

    def test_token_of_another_slice_and_forged_ones(self) -> None:
        client = self.working_by("tcp", "borrowed")
        token = self.token_of(client)
        self.assert_refused(self.attach("mine", token), wire.NOT_ENTITLED)
        forged = token[:-1] + (b"A" if token[-1:] != b"A" else b"B")
        self.assert_refused(self.attach("borrowed", forged), wire.NOT_ENTITLED)
        self.assertEqual(wire.ATTACHED_FRAME, self.attach("borrowed", token)[0], "its own slice")
        self.assert_ends_well(client)

    def test_what_is_no_token(self) -> None:
        for token in (b"x", b"xpool-token-1." + b"A" * 200, b"\xff" * 1024):
            call, payload = self.attach("mine", token)
            self.assertEqual(wire.REFUSAL_FRAME, call)
            self.assertIn(wire.refusal(payload)[0], (wire.NOT_ENTITLED, wire.BAD_HELLO))

    def token_of(self, client) -> bytes:
        """From the slice file that `xpool run` wrote."""
        variables = Path(f"/proc/{client.program_pid()}/environ").read_bytes().split(b"\0")
        file = next(entry.split(b"=", 1)[1] for entry in variables if entry.startswith(b"XPOOL_REMOTE_SLICES="))
        return next(line.split()[1] for line in Path(file.decode()).read_bytes().splitlines() if line.startswith(b"token "))

    def test_unknown_slice(self) -> None:
        self.assert_refused(self.attach("nobodys"), wire.NO_SUCH_SLICE, "nobodys")

    def test_other_protocol_version(self) -> None:
        self.assert_refused(self.attach("mine", version=99), wire.WRONG_VERSION, "version")

    def test_lane_of_another_version(self) -> None:
        session, token = self.open_session("mine")
        answer = self.ask(wire.preamble(wire.LANE, session=session), wire.hello(session, token, version=99))
        self.assert_refused(answer, wire.WRONG_VERSION, "version")

    def test_lane_of_no_session(self) -> None:
        call, payload = self.ask(wire.preamble(wire.LANE, session=12345), wire.hello(12345, b"t" * 16))
        self.assertEqual(wire.REFUSAL_FRAME, call)
        code, sentence = wire.refusal(payload)
        self.assertIn(code, (wire.NO_SUCH_SLICE, wire.NO_SUCH_SESSION))
        self.assertIn("start the program again", sentence)

    def test_lane_with_the_wrong_token(self) -> None:
        session, token = self.open_session("mine")
        wrong = bytes([token[0] ^ 1]) + token[1:]
        self.assert_refused(self.ask(wire.preamble(wire.LANE, session=session), wire.hello(session, wrong)), wire.NOT_ENTITLED,
                            "somebody else's")
        answer = self.ask(wire.preamble(wire.LANE, session=session), wire.hello(session, token))
        self.assertEqual(wire.WELCOME_FRAME, answer[0], "the right one is welcome still")

    def test_tls_is_asked_of_a_plain_door(self) -> None:
        self.assert_refused(self.ask(wire.preamble(wire.ATTACH, wire.TLS)), wire.NOT_ENTITLED, "--plain")

    def test_garbage_is_answered_with_nothing_that_attaches(self) -> None:
        for data in (b"\0" * 24, b"GET / HTTP/1.1\r\n\r\n" * 4, wire.preamble(9), wire.preamble(wire.ATTACH, 7),
                     wire.preamble(wire.ATTACH) + b"\xff" * 64, wire.preamble(wire.ATTACH) + wire.frame(wire.ATTACH_FRAME, b"short")):
            self.assertIn(self.ask(data)[0], (0, wire.REFUSAL_FRAME), data)
        self.assert_agent_lives()

    def test_isolated_on_a_slice_that_is_not_there(self) -> None:
        client = self.client_of_file(f"address {self.door()}\nslice nobodys\n", "devices")
        self.assertEqual(0, client.finish())
        self.assertEqual("devices -1", client.lines[-1], "no device at all")
        self.assertIn("nobodys", " ".join(client.errors))


class CommandLine(RemoteCase):
    def refused(self, *arguments: str) -> str:
        done = self.agent.cli("run", *arguments, "--", CLIENT, "devices", check=False)
        self.assertEqual(125, done.returncode, done.stderr)
        self.assertEqual("", done.stdout)
        return done.stderr

    def test_plain_is_not_spoken_unasked(self) -> None:
        self.assertIn("xpool ca issue user", self.refused("--on", self.plain()), "without an identity there is no TLS")
        ada = Lab(self.agent.directory / "lab", self.agent.environment).issue("user", "ada")
        self.agent.environment["XPOOL_IDENTITY"] = str(ada)
        self.assertIn("does not speak TLS", self.refused("--on", self.plain()))

    def test_nobody_listens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            closed = server.getsockname()[1]
        said = self.refused("--on", f"127.0.0.1:{closed}", "--plain")
        self.assertIn(f"127.0.0.1:{closed}", said)
        self.assertIn("refused", said)

    def test_more_than_there_is(self) -> None:
        self.assertIn("memory", self.refused("--memory", "100Ti", *self.agent.where("tcp")))
        said = self.refused("--compute", "60%", "--count", "2", *self.agent.where("tcp"))
        self.assertIn("only 1 of 2", said)
        self.assertEqual({}, self.agent.slices(), "the one that was had is returned")

    def test_contradictions(self) -> None:
        for arguments, word in ((("--plain",), "--on"), (("--count", "2"), "--on"), (("--isolated", *self.agent.where("tcp")), "--isolated"),
                                (("--slice", "x", *self.agent.where("tcp")), "--slice"), (("--on", "gpu9", "--plain"), "gpu9")):
            self.assertIn(word, self.refused(*arguments))

    def test_nodes_lists_who_answers_and_who_does_not(self) -> None:
        done = self.agent.cli("nodes", self.plain(), "--plain")
        self.assertRegex(done.stdout, r"127\.0\.0\.1:\d+ .* ready ")
        done = self.agent.cli("nodes", "127.0.0.1:1", self.plain(), "--plain", check=False)
        self.assertEqual(1, done.returncode)
        self.assertIn("unreachable", done.stdout)
        self.assertIn("ready", done.stdout)
        self.assertIn("127.0.0.1:1", done.stderr)


class Tls(RemoteCase):
    """The agent lends under TLS; ada may borrow."""

    arguments = ("--listen", "127.0.0.1:0")

    def start(self) -> None:
        self.lab = Lab(self.agent.directory / "lab", self.agent.environment)
        self.ada = self.lab.issue("user", "ada")
        self.pki = install_identity(self.agent, self.lab.issue("node", "gpu1", "--address", "127.0.0.1"))
        self.agent.environment["XPOOL_NODES"] = str(self.agent.directory / "nodes")
        self.agent.start()
        self.address = self.agent.address("tls")

    def run_as(self, identity: Path, *what: str, address: str = ""):
        self.agent.environment["XPOOL_IDENTITY"] = str(identity)
        return self.agent.run("--compute", "10%", "--memory", "64Mi", "--on", address or self.address, "--", CLIENT, *what)

    def refused(self, identity: Path, address: str = "") -> str:
        client = self.run_as(identity, "devices", address=address)
        self.assertEqual(125, client.finish(), client.errors)
        return " ".join(client.errors)

    def answer_under_tls(self, identity: Path | None) -> bytes:
        """What the door says to who shows |identity| in a handshake of Python's."""
        context = ssl.create_default_context(cafile=str(self.lab.folder / "trust.pem"))
        if identity is not None:
            context.load_cert_chain(identity)
        with wire.connect(self.address) as plain:
            plain.sendall(wire.preamble(wire.ATTACH, wire.TLS))
            try:
                with context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
                    connection.sendall(wire.attach("mine"))
                    return connection.recv(4096)
            except (ssl.SSLError, ConnectionError):
                return b""

    def refused_until_told(self, word: str) -> None:
        """Of many refusals in a second the agent tells one."""
        def told():
            self.assertEqual(b"", self.answer_under_tls(self.ada))
            return word in self.agent.events()
        wait_for(told, f"an event that says {word}")

    def test_who_is_vouched_for_borrows(self) -> None:
        client = self.run_as(self.ada, "work")
        client.wait_progress()
        self.event("remote-began", "ada of 127.0.0.1")
        self.assert_ends_well(client)
        self.assertNotEqual(b"", self.answer_under_tls(self.ada), "the test's own client works")

    def test_a_known_node_by_name(self) -> None:
        self.agent.environment["XPOOL_IDENTITY"] = str(self.ada)
        self.agent.cli("node", "add", "gpu1", self.address)
        self.assertIn("ready", self.agent.cli("nodes").stdout)
        client = self.run_as(self.ada, "alloc", "1", address="gpu1")
        self.assertEqual((0, "alloc 0"), (client.finish(), client.lines[-1]), client.errors)

    def test_another_authority(self) -> None:
        strangers = Lab(self.agent.directory / "strangers", self.agent.environment, "strangers")
        eve = strangers.issue("user", "eve")
        self.assertIn("authority", self.refused(eve))
        self.assertEqual(b"", self.answer_under_tls(eve))
        self.event("attach-refused", "authority")

    def test_no_certificate(self) -> None:
        self.assertEqual(b"", self.answer_under_tls(None))
        self.event("attach-refused", "certificate")
        self.assertIn("xpool ca issue user", self.refused(self.agent.directory / "none.pem"))

    def test_expired(self) -> None:
        late = self.lab.expired("late")
        self.assertEqual(b"", self.answer_under_tls(late))
        self.event("attach-refused", "expired")
        whole = self.lab.directory / "late-whole.pem"
        whole.touch(0o600)
        whole.write_text(late.read_text() + (self.lab.folder / "trust.pem").read_text())
        self.assertIn("expired", self.refused(whole))

    def test_revoked(self) -> None:
        self.assertNotEqual(b"", self.answer_under_tls(self.ada))
        self.lab.ca("revoke", "ada")
        shutil.copy(self.lab.folder / "crl.pem", self.pki / "crl.pem")
        self.assertEqual(b"", self.answer_under_tls(self.ada))
        self.assertIn("revoked", self.refused(self.ada))
        self.refused_until_told("revoked")

    def test_a_node_at_another_address_is_not_taken_for_it(self) -> None:
        install_identity(self.agent, self.lab.issue("node", "gpu2", "--address", "127.0.0.2"))
        self.assertIn("127.0.0.1", self.refused(self.ada))

    def test_plain_is_refused(self) -> None:
        client = self.agent.run("--compute", "10%", "--on", self.address, "--plain", "--", CLIENT, "devices")
        self.assertEqual(125, client.finish())
        self.assertIn("speaks TLS", " ".join(client.errors))


if __name__ == "__main__":
    unittest.main()
