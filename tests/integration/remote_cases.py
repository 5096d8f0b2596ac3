"""What the tests of remote slices share: an agent that lends, the ways to reach it, a laboratory's identities."""
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import remote_wire
from cases import BUILD, CLIENT, KERNEL_US, AgentCase
from harness import Agent, Client, wait_for

USER_EXTENSIONS = ("extendedKeyUsage=clientAuth\nkeyUsage=critical,digitalSignature\nbasicConstraints=critical,CA:false\n"
                   "authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n")


class Lab:
    """An authority of `xpool ca` in |directory|, and what it issues."""

    def __init__(self, directory: Path, environment: dict[str, str], name: str = "lab"):
        self.directory = directory
        self.environment = {**environment, "XDG_CONFIG_HOME": str(directory)}
        directory.mkdir()
        self.ca("init", "--name", name)

    @property
    def folder(self) -> Path:
        return self.directory / "xpool/ca"

    def ca(self, *arguments: str) -> str:
        done = subprocess.run([str(BUILD / "bin/xpool"), "ca", *arguments], env=self.environment, text=True, capture_output=True,
                              timeout=60)
        if done.returncode != 0:
            raise AssertionError(f"xpool ca {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def issue(self, role: str, name: str, *options: str) -> Path:
        file = self.directory / f"{name}.pem"
        self.ca("issue", role, name, "-o", str(file), *options)
        return file

    def expired(self, name: str) -> Path:
        """A user's identity that ended yesterday; openssl(1) signs it, as `xpool ca` makes none."""
        whole = self.issue("user", name).read_text()
        paths = {kind: self.directory / f"{name}.{kind}" for kind in ("request", "extensions", "certificate")}
        paths["extensions"].write_text(USER_EXTENSIONS)
        self.openssl("req", "-new", "-key", self.directory / f"{name}.pem", "-subj", f"/CN={name}", "-out", paths["request"])
        self.openssl("x509", "-req", "-in", paths["request"], "-CA", self.folder / "trust.pem", "-CAkey",
                     self.folder / "authority-1.key", "-set_serial", "77", "-days", "-1", "-extfile", paths["extensions"], "-out",
                     paths["certificate"])
        file = self.directory / f"{name}-expired.pem"
        file.touch(0o600)
        file.write_text(paths["certificate"].read_text() + whole[whole.index("-----BEGIN PRIVATE KEY"):])
        return file

    def openssl(self, *arguments) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)


def install_identity(agent: Agent, node: Path) -> Path:
    """|agent| is |node| from now on. Returns its folder of such files."""
    folder = agent.path / "pki"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    agent.path.chmod(0o755)
    shutil.copy(node, folder / "node.pem")
    return folder


class RemoteCase(AgentCase):
    """An agent over the null driver that lends over plain TCP; its workers' kernels take KERNEL_US."""

    arguments = ("--listen-plain", "127.0.0.1:0")
    variables = {"XPOOL_NULL_KERNEL_US": str(KERNEL_US)}

    def plain(self) -> str:
        return self.agent.address("tcp")

    def client_by(self, way: str, name: str, *what: str, compute: str = "10%", memory: str = "64Mi", **how) -> Client:
        """integration_client in a remote slice |name| of its own, by "ring" or "tcp"."""
        return self.agent.run("--name", name, "--compute", compute, "--memory", memory, *self.agent.where(way), "--", CLIENT, *what,
                              **how)

    def working_by(self, way: str, name: str, **how) -> Client:
        client = self.client_by(way, name, "work", **how)
        client.wait_progress()
        return client

    def client_of_file(self, entries: str, *what: str) -> Client:
        """integration_client with a slice file of |entries|, as `xpool run` would have written it."""
        file = self.agent.directory / "slices"
        file.touch(0o600)
        file.write_text("xpool-slices 1\n" + entries)
        client = Client([CLIENT, *what],
                        {**self.agent.environment, **self.agent.shim_variables(), "XPOOL_REMOTE_SLICES": str(file)})
        self.agent.clients.append(client)
        return client

    def assert_no_slice_is_left(self) -> None:
        wait_for(lambda: self.agent.slices() == {}, "no slice to be left")

    def assert_all_end_well(self, clients: list[Client]) -> None:
        """All are told to end before the first is waited for."""
        for client in clients:
            client.stop_input()
        for client in clients:
            self.assert_ends_well(client)
        self.assert_no_slice_is_left()

    def door(self) -> str:
        return f"unix:{self.agent.path}/attach.sock"

    def worker_of(self, name: str) -> int:
        """The process that serves the slice |name|."""
        def pid():
            return next((entry["pid"] for entry in self.agent.sessions() if entry["slice_name"] == name), None)
        return wait_for(pid, f"a session on the slice {name}")

    def kill_worker(self, name: str, number: int = signal.SIGKILL) -> int:
        pid = self.worker_of(name)
        os.kill(pid, number)
        return pid

    def event(self, kind: str, *words: str) -> str:
        """Waits for an event of |kind| whose message has |words|; returns the message."""
        def found():
            messages = [event["message"] for event in json.loads(self.agent.events())["events"] if event["kind"] == kind]
            return next((message for message in messages if all(word in message for word in words)), None)
        return wait_for(found, f"an event {kind} that says {words}")

    def ask(self, *data: bytes, address: str = "", source: str = "") -> tuple[int, bytes]:
        """What the door answers first."""
        with remote_wire.connect(address or self.plain(), source) as connection:
            for piece in data:
                connection.sendall(piece)
            return remote_wire.receive(connection)

    def open_session(self, slice_name: str, token: bytes = b"") -> tuple[int, bytes]:
        """Attaches through the machine's own door, as the user who owns the slice: the session and its token."""
        call, payload = self.ask(remote_wire.preamble(remote_wire.ATTACH), remote_wire.attach(slice_name, token),
                                 address=self.door())
        self.assertEqual(remote_wire.ATTACHED_FRAME, call, payload)
        return remote_wire.attached(payload)
