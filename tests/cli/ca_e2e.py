#!/usr/bin/env python3
"""End-to-end tests of `xpool ca`: what it makes is what openssl(1) accepts and refuses, and what survives a kill."""
import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from support import CommandTest  # noqa: E402


class AuthorityTest(CommandTest):
    def setUp(self):
        super().setUp()
        self.environment["XDG_CONFIG_HOME"] = self.directory
        self.folder = self.path("xpool/ca")
        self.done("ca", "init", "--name", "physics")

    def tearDown(self):
        """There was no agent; the folder goes."""
        shutil.rmtree(self.directory)

    def done(self, *arguments: str) -> str:
        result = self.call(*arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def issue(self, role: str, name: str, *options: str) -> Path:
        file = self.path(f"{name}-{time.monotonic_ns()}.pem")
        self.done("ca", "issue", role, name, "-o", str(file), *options)
        return file

    def openssl(self, *arguments) -> subprocess.CompletedProcess:
        return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=60)

    def verify(self, identity: Path, *options, trust: Path | None = None) -> str:
        """What openssl says of |identity|, with the chain that is in it, by the authority's own trust and lists."""
        own = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n",
                         identity.read_text().split("-----BEGIN PRIVATE KEY")[0], re.S)
        between = self.path("between.pem")
        between.write_text("".join(own[1:]))
        chain = ["-untrusted", between] if own[1:] else []
        done = self.openssl("verify", "-x509_strict", "-crl_check", "-CAfile", trust or self.folder / "trust.pem",
                            "-CRLfile", self.folder / "crl.pem", *chain, *options, identity)
        return "OK" if done.returncode == 0 else done.stderr


class OpenSslAgrees(AuthorityTest):
    def test_nodes_serve_at_their_addresses_and_ask(self):
        node = self.issue("node", "gpu1", "--address", "10.0.0.2", "gpu1.lab")
        for options in (["-purpose", "sslserver", "-verify_ip", "10.0.0.2"], ["-verify_hostname", "gpu1.lab"],
                        ["-purpose", "sslclient"]):
            self.assertEqual(self.verify(node, *options), "OK")
        self.assertIn("IP address mismatch", self.verify(node, "-verify_ip", "10.0.0.3"))
        self.assertIn("hostname mismatch", self.verify(node, "-verify_hostname", "gpu2.lab"))

    def test_users_ask_alone(self):
        user = self.issue("user", "ada")
        self.assertEqual(self.verify(user, "-purpose", "sslclient"), "OK")
        self.assertIn("unsuitable certificate purpose", self.verify(user, "-purpose", "sslserver"))

    def test_identities_end(self):
        user = self.issue("user", "ada", "--days", "2")
        self.assertEqual(self.verify(user, "-attime", int(time.time()) - 300), "OK")
        self.assertIn("certificate has expired", self.verify(user, "-attime", int(time.time()) + 2 * 86400 + 5))

    def test_revoked_ones_are_refused_and_the_others_are_not(self):
        ada, eve = self.issue("user", "ada"), self.issue("user", "eve")
        self.done("ca", "revoke", "eve")
        self.assertEqual(self.verify(ada), "OK")
        self.assertIn("certificate revoked", self.verify(eve))
        text = self.openssl("crl", "-in", self.folder / "crl.pem", "-noout", "-text").stdout
        serial = json.loads(self.done("ca", "list", "--all", "--json"))["identities"][1]["serial"]
        self.assertIn(serial.upper(), text)

    def test_rotation_keeps_old_and_new_valid_for_both(self):
        before = self.path("before.pem")
        before.write_text((self.folder / "trust.pem").read_text())
        old = self.issue("node", "gpu1", "--address", "10.0.0.2")
        self.done("ca", "rotate")
        new = self.issue("node", "gpu1", "--address", "10.0.0.2")
        for trust in (before, self.folder / "trust.pem"):
            self.assertEqual(self.verify(old, trust=trust), "OK")
            self.assertEqual(self.verify(new, trust=trust), "OK")
        self.done("ca", "retire")
        self.assertEqual(self.verify(new), "OK")
        self.assertIn("certificate revoked", self.verify(old, trust=before))
        self.assertNotEqual(self.verify(old), "OK")

    def test_a_handshake_of_tls_1_3_with_certificates_on_both_sides(self):
        node, user = self.issue("node", "gpu1", "--address", "127.0.0.1"), self.issue("user", "ada")
        checks = ["-CAfile", self.folder / "trust.pem", "-crl_check", "-CRL", self.folder / "crl.pem",
                  "-verify_return_error", "-tls1_3"]
        server = subprocess.Popen(["openssl", "s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-cert", node, "-key",
                                   node, "-Verify", "1", *checks], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)
        try:
            port = None
            while port is None:
                line = server.stdout.readline()
                self.assertNotEqual(line, "", "the server ended")
                port = re.search(r"ACCEPT 127\.0\.0\.1:(\d+)", line)
            client = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port[1]}", "-cert", user, "-key", user,
                                     "-verify_ip", "127.0.0.1", *checks], input="Q\n", capture_output=True, text=True,
                                    timeout=60)
            self.assertIn("Verify return code: 0 (ok)", client.stdout, client.stderr)
            said = server.communicate(timeout=60)[0]
            self.assertIn("CN = ada", said)
        finally:
            server.kill()
            server.communicate()


class Kills(AuthorityTest):
    def test_the_folder_is_whole_whenever_a_command_is_killed(self):
        chance = random.Random(1)
        begin = time.monotonic()
        self.issue("user", "first")
        usual = time.monotonic() - begin
        for number in range(25):
            command = chance.choice([["issue", "user", f"user{number}", "-o", str(self.path(f"{number}.pem"))],
                                     ["revoke", "first"], ["rotate"], ["retire", "--force"]])
            process = self.start("ca", *command)
            time.sleep(chance.uniform(0, usual))
            process.kill()
            process.communicate()
            listed = self.call("ca", "list", "--all", "--json")
            self.assertEqual(listed.returncode, 0, f"after {command}: {listed.stderr}")
            self.clear_attempt()
        fresh = self.issue("user", "last")
        self.assertEqual(self.verify(fresh), "OK")

    def clear_attempt(self):
        """A rotation that was cut off leaves a key that the index does not know; the command says to remove it."""
        known = len(json.loads(self.done("ca", "list", "--json"))["authorities"])
        left = self.folder / f"authority-{known + 1}.key"
        if left.exists():
            refused = self.call("ca", "rotate")
            self.assertEqual(refused.returncode, 1)
            if "is not finished" not in refused.stderr:
                self.assertIn(f"{left} exists already", refused.stderr)
            left.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--xpool", required=True)
    options, rest = parser.parse_known_args()
    CommandTest.xpool = os.path.abspath(options.xpool)
    unittest.main(argv=[sys.argv[0], *rest], verbosity=1)


if __name__ == "__main__":
    main()
