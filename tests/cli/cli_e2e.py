#!/usr/bin/env python3
"""End-to-end tests of `xpool` with the fake agent: exit statuses, signals, terminals, agents on demand."""
import argparse
import json
import os
import pty
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from support import CommandTest  # noqa: E402


class ExitStatus(CommandTest):
    def test_is_the_programs_own(self):
        for status in (0, 1, 7, 255):
            self.assertEqual(self.call("run", "--", "sh", "-c", f"exit {status}").returncode, status)

    def test_a_program_killed_by_a_signal_kills_xpool_with_it(self):
        self.assertEqual(self.call("run", "--", "sh", "-c", "kill -TERM $$").returncode, -signal.SIGTERM)
        self.assertEqual(self.call("run", "--", "sh", "-c", "kill -SEGV $$").returncode, -signal.SIGSEGV)

    def test_not_found_is_127_and_not_executable_126(self):
        missing = self.call("run", "--", "no-such-program-here")
        self.assertEqual(missing.returncode, 127)
        self.assertIn("not found in PATH", missing.stderr)
        self.assertEqual(self.call("run", "--", "/no/such/file").returncode, 127)
        self.assertEqual(self.call("run", "--", "/etc/passwd").returncode, 126)
        self.assertEqual(self.call("run", "--", "/etc").returncode, 126)

    def test_xpools_own_failures_are_125(self):
        self.assertEqual(self.call("run", "--compute", "200%", "--", "true").returncode, 125)
        self.assertEqual(self.call("run", "--slice", "ghost", "--", "true").returncode, 125)
        self.environment["XPOOL_SHIM_DIR"] = self.directory
        lost = self.call("run", "--", "true")
        self.assertEqual(lost.returncode, 125)
        self.assertIn("libxpool-opencl.so", lost.stderr)


class Environment(CommandTest):
    def test_the_program_sees_its_slice_and_only_our_icd(self):
        self.environment["OCL_ICD_FILENAMES"] = "/other/driver.so"
        done = self.call("run", "-e", "COLOUR=red", "--", "env")
        seen = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
        self.assertEqual(seen["XPOOL_DIR"], self.directory)
        self.assertEqual(seen["COLOUR"], "red")
        self.assertTrue(seen["XPOOL_SLICE"])
        self.assertNotIn("OCL_ICD_FILENAMES", seen)
        files = list(Path(seen["OCL_ICD_VENDORS"]).iterdir())
        self.assertEqual([file.suffix for file in files], [".icd"])
        self.assertEqual(files[0].read_text().strip(), str(Path(self.shim_folder, "libxpool-opencl.so")))

    def test_input_and_output_are_the_programs(self):
        process = self.start("run", "--", "cat", stdin=subprocess.PIPE)
        out, _ = process.communicate("through and back", timeout=60)
        self.assertEqual(out, "through and back")

    def test_the_slice_lasts_as_long_as_the_program(self):
        process = self.start("run", "--name", "brief", "-c", "10%", "--", "cat", stdin=subprocess.PIPE)
        self.wait_for("the slice", lambda: "brief" in self.call("slice", "ls", "-o", "name").stdout)
        process.communicate("", timeout=60)
        self.assertEqual(self.call("slice", "ls", "-o", "name").stdout, "")

    def test_a_lasting_slice_outlives_its_programs(self):
        self.call("slice", "create", "lasting", "--compute", "20%")
        done = self.call("run", "--slice", "lasting", "--", "sh", "-c", "echo $XPOOL_SLICE")
        listed = json.loads(self.call("slice", "ls", "--json").stdout)["slices"]
        self.assertEqual(listed[0]["id"], done.stdout.strip())

    def test_ignored_signals_stay_ignored(self):
        inner = f"trap '' HUP; exec {self.xpool} run -- sh -c 'kill -HUP $$; echo survived'"
        done = subprocess.run(["sh", "-c", inner], env=self.environment, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stdout, "survived\n", done.stderr)


class Signals(CommandTest):
    def started(self, script: str, **options) -> subprocess.Popen:
        """A program that has said "ready"."""
        process = self.start("run", "--", "sh", "-c", script, **options)
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def test_signals_reach_the_program(self):
        for name in ("INT", "TERM", "HUP", "QUIT", "USR1"):
            script = f"trap 'echo got {name}; exit 5' {name}; echo ready; while :; do sleep 0.02; done"
            process = self.started(script)
            process.send_signal(getattr(signal, f"SIG{name}"))
            out, _ = process.communicate(timeout=60)
            self.assertEqual((out, process.returncode), (f"got {name}\n", 5))

    def test_a_stopped_program_does_not_stop_xpool(self):
        process = self.started("echo ready; kill -STOP $$; echo resumed")
        child = self.wait_for("the child", lambda: children(process.pid))[0]
        self.wait_for("its stop", lambda: state(child) == "T")
        self.assertNotEqual(state(process.pid), "T")
        os.kill(child, signal.SIGCONT)
        self.assertEqual(process.communicate(timeout=60)[0], "resumed\n")

    def test_suspend_from_the_terminal_stops_both_and_continue_resumes_both(self):
        leader, terminal = pty.fork()
        if leader == 0:
            os.execvpe("bash", ["bash", "--norc", "-i"], self.environment | {"PS1": "", "TERM": "dumb"})
        os.write(terminal, f"{self.xpool} run -- cat\n".encode())
        run = self.wait_for("xpool", lambda: children(leader))[0]
        cat = self.wait_for("cat", lambda: [pid for pid in children(run) if command(pid) == "cat"])[0]
        os.write(terminal, b"\x1a")
        self.wait_for("both to stop", lambda: state(run) == "T" and state(cat) == "T")
        os.write(terminal, b"fg\n")
        self.wait_for("both to go on", lambda: state(run) != "T" and state(cat) != "T")
        os.write(terminal, b"\x03")
        self.wait_for("the end", lambda: not is_alive(run) and not is_alive(cat))
        os.write(terminal, b"exit\n")
        os.close(terminal)
        os.kill(leader, signal.SIGKILL)
        os.waitpid(leader, 0)


class OnDemand(CommandTest):
    def starts(self) -> list[int]:
        file = self.path("starts")
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def test_many_runs_at_once_start_one_agent(self):
        runs = [self.start("run", "--", "true") for _ in range(8)]
        for run in runs:
            _, err = run.communicate(timeout=60)
            self.assertEqual(run.returncode, 0, err)
        self.assertEqual(len(self.starts()), 1)

    def test_the_agent_is_detached_from_the_terminal_and_the_callers_files(self):
        reader, writer = os.pipe()
        self.start("run", "--", "true", pass_fds=[writer]).communicate(timeout=60)
        os.close(writer)
        agent = self.starts()[0]
        self.assertEqual(os.read(reader, 1), b"")  # End of file: nobody else holds the other end.
        os.close(reader)
        self.assertEqual(os.getsid(agent), os.getpgid(agent))
        self.assertNotEqual(os.getsid(agent), os.getsid(0))

    def test_an_agent_that_dies_under_a_program_is_replaced(self):
        run = self.start("run", "--", "cat", stdin=subprocess.PIPE)
        first = self.wait_for("an agent", self.starts)[0]
        self.wait_for("the program", lambda: [pid for pid in children(run.pid) if command(pid) == "cat"])
        os.kill(first, signal.SIGKILL)
        self.wait_for("another agent", lambda: len(self.starts()) == 2)
        self.wait_for("its answer", lambda: self.call("status").returncode == 0)
        run.communicate("", timeout=60)
        self.assertEqual(run.returncode, 0)

    def test_an_agent_that_was_stopped_stays_stopped(self):
        run = self.start("run", "--", "cat", stdin=subprocess.PIPE)
        self.wait_for("the program", lambda: [pid for pid in children(run.pid) if command(pid) == "cat"])
        self.assertEqual(self.call("agent", "stop", "--force").returncode, 0)
        run.communicate("", timeout=60)
        self.assertEqual(run.returncode, 0)
        self.assertEqual(len(self.starts()), 1)

    def test_an_agent_that_cannot_start_is_explained_by_its_last_words(self):
        self.environment["FAKE_XPOOLD_FAIL"] = "the database is corrupt"
        failed = self.call("run", "--", "true")
        self.assertEqual(failed.returncode, 125)
        self.assertIn("the database is corrupt", failed.stderr)
        self.assertIn("agent.log", failed.stderr)

    def test_a_missing_agent_program_is_named(self):
        self.environment["XPOOL_AGENT_PROGRAM"] = "/no/xpoold"
        failed = self.call("run", "--", "true")
        self.assertEqual(failed.returncode, 125)
        self.assertIn("/no/xpoold", failed.stderr)

    def test_a_stopped_agent_is_a_deadline_not_a_hang(self):
        self.call("agent", "start")
        os.kill(self.starts()[0], signal.SIGSTOP)
        failed = self.call("ps")
        self.assertEqual(failed.returncode, 3)
        self.assertIn("did not answer", failed.stderr)
        os.kill(self.starts()[0], signal.SIGCONT)

    def test_start_and_stop_by_hand(self):
        self.assertEqual(self.call("status").returncode, 3)
        self.assertIn("started", self.call("agent", "start").stderr)
        self.assertIn("already runs", self.call("agent", "start").stderr)
        self.assertEqual(self.call("status", "--json").returncode, 0)
        self.assertEqual(self.call("agent", "stop").returncode, 0)
        self.assertEqual(self.call("status").returncode, 3)


class Completion(CommandTest):
    def complete(self, *words: str) -> list[str]:
        script = self.call("completion", "bash").stdout
        line = " ".join(f'"{word}"' for word in words)
        script += f'\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _xpool; echo "${{COMPREPLY[*]}}"'
        path = f"{Path(self.xpool).parent}:{self.environment['PATH']}"
        done = subprocess.run(["bash", "-c", script], env=self.environment | {"PATH": path}, capture_output=True, text=True,
                              timeout=60)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_commands_options_and_slices(self):
        self.call("slice", "create", "train")
        self.assertIn("slice", self.complete("xpool", "sl"))
        self.assertEqual(self.complete("xpool", "slice", "cre"), ["create"])
        self.assertEqual(self.complete("xpool", "slice", "create", "x", "--mem"), ["--memory"])
        self.assertEqual(self.complete("xpool", "slice", "rm", "tr"), ["train"])
        self.assertEqual(self.complete("xpool", "run", "--slice", ""), ["train"])
        self.assertEqual(self.complete("xpool", "slice", "create", "x", "--priority", "h"), ["high"])


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "X"


def is_alive(pid: int) -> bool:
    """Zombies do not count: in a container nobody may reap them."""
    return state(pid) not in "ZX"


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--xpool", required=True)
    parser.add_argument("--agent", required=True)
    options, rest = parser.parse_known_args()
    CommandTest.xpool, CommandTest.agent = os.path.abspath(options.xpool), os.path.abspath(options.agent)
    with tempfile.TemporaryDirectory(prefix="xpool-shim-") as folder:
        Path(folder, "libxpool-opencl.so").touch()
        CommandTest.shim_folder = folder
        unittest.main(argv=[sys.argv[0], *rest], verbosity=1)


if __name__ == "__main__":
    main()
