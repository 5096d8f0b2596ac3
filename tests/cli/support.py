"""What the end-to-end tests of `xpool` share: an agent directory of their own and calls with a deadline."""
import os
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path


class CommandTest(unittest.TestCase):
    """Each test has a fresh agent directory; agents that it started are stopped at its end."""

    xpool = agent = shim_folder = ""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="xpool-cli-")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("XPOOL_", "OCL_"))}
        self.environment |= {"XPOOL_DIR": self.directory, "XPOOL_AGENT_PROGRAM": self.agent,
                             "XPOOL_SHIM_DIR": self.shim_folder}

    def tearDown(self):
        self.call("agent", "stop", "--force")
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self, *arguments: str, **options) -> subprocess.Popen:
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        return subprocess.Popen([self.xpool, *arguments], env=self.environment, text=True, **options)

    def call(self, *arguments: str, **options) -> subprocess.CompletedProcess:
        process = self.start(*arguments, **options)
        try:
            out, err = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            self.fail(f"xpool {' '.join(arguments)} hangs")
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def wait_for(self, what, condition):
        """The value of condition() once it is true."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            value = condition()
            if value:
                return value
            time.sleep(0.01)
        self.fail(f"{what}: not within 30 s")

    def path(self, name: str) -> Path:
        return Path(self.directory, name)
