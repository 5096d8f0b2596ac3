#!/usr/bin/env python3
"""End-to-end tests of `xpool` with the real agent and the drivers of this machine (PoCL will do)."""
import argparse
import fcntl
import json
import os
import signal
import subprocess
import sys
import unittest
import xml.etree.ElementTree
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from support import CommandTest  # noqa: E402

# What a program sees of OpenCL through the loader: platforms, devices, and the first device's memory.
LOOK = """
import ctypes as c
cl = c.CDLL("libOpenCL.so.1")
count = c.c_uint(0)
assert cl.clGetPlatformIDs(0, None, c.byref(count)) == 0
platforms = (c.c_void_p * count.value)()
cl.clGetPlatformIDs(count, platforms, None)
devices = c.c_uint(0)
device = c.c_void_p()
cl.clGetDeviceIDs.argtypes = [c.c_void_p, c.c_ulong, c.c_uint, c.c_void_p, c.c_void_p]
assert cl.clGetDeviceIDs(platforms[0], 0xFFFFFFFF, 1, c.byref(device), c.byref(devices)) == 0
memory = c.c_ulong(0)
cl.clGetDeviceInfo.argtypes = [c.c_void_p, c.c_uint, c.c_size_t, c.c_void_p, c.c_void_p]
assert cl.clGetDeviceInfo(device, 0x101F, 8, c.byref(memory), None) == 0
print(count.value, devices.value, memory.value)
"""


class RealAgent(CommandTest):
    program_variables: list[str] = []

    def slices(self) -> dict[str, dict]:
        done = self.call("slice", "list", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return {entry["name"]: entry for entry in json.loads(done.stdout)["slices"]}

    def agent_pid(self) -> int:
        done = self.call("status", "--json")
        return json.loads(done.stdout)["pid"] if done.returncode == 0 else 0

    def test_devices_starts_an_agent_and_lists_the_xpus(self):
        done = self.call("devices", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        xpus = json.loads(done.stdout)["xpus"]
        self.assertTrue(xpus, "no OpenCL driver is installed")
        self.assertGreater(int(xpus[0]["memory_bytes"]), 0)

    def test_an_agent_that_somebody_else_is_starting_is_waited_for(self):
        """Theirs holds the directory but does not answer yet, so ours ends at once: that is no failure."""
        other = subprocess.Popen(["sleep", "60"])
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        with open(self.path("agent.pid"), "w") as pid_file:
            pid_file.write(f"{other.pid}\n")
            pid_file.flush()
            fcntl.flock(pid_file, fcntl.LOCK_EX)
            devices = self.start("devices", "--json")
            log = self.path("agent.log")
            self.wait_for("our agent's end", lambda: log.exists() and "already runs" in log.read_text())
        theirs = subprocess.Popen([self.agent, "--dir", self.directory, "--metrics-address", "off"],
                                  env=self.environment, stderr=subprocess.DEVNULL)
        self.addCleanup(theirs.wait)
        self.addCleanup(theirs.terminate)
        out, errors = devices.communicate(timeout=60)
        self.assertEqual(devices.returncode, 0, errors)
        self.assertTrue(json.loads(out)["xpus"])

    def test_guarantees_over_the_whole_xpu_are_refused_with_what_is_free(self):
        self.assertEqual(self.call("slice", "create", "a", "-c", "90%", "-m", "64Mi", "-x", "xpu0").returncode, 0)
        refused = self.call("run", "-c", "20%", "-m", "64Mi", "-x", "xpu0", "--", "true")
        self.assertEqual(refused.returncode, 125)
        self.assertIn("10%", refused.stderr)

    def test_slices_survive_a_killed_agent(self):
        self.call("agent", "start")
        self.call("slice", "create", "kept", "-c", "25%", "-m", "64Mi")
        pid = self.agent_pid()
        os.kill(pid, signal.SIGKILL)
        self.wait_for("its death", lambda: self.call("status").returncode == 3)
        self.assertEqual(self.call("agent", "start").returncode, 0)
        self.assertEqual(self.slices()["kept"]["guarantee_bp"], 2500)
        self.assertNotEqual(self.agent_pid(), pid)

    def test_a_run_keeps_its_on_demand_agent_alive(self):
        run = self.start("run", "--name", "mine", "-m", "64Mi", "--", "cat", stdin=subprocess.PIPE)
        self.wait_for("the slice", lambda: self.agent_pid() and "mine" in self.slices())
        first = self.agent_pid()
        os.kill(first, signal.SIGKILL)
        self.wait_for("another agent", lambda: self.agent_pid() not in (0, first))
        self.assertIn("mine", self.slices())
        run.communicate("", timeout=60)
        self.assertEqual(run.returncode, 0)
        self.assertNotIn("mine", self.slices())

    def test_a_killed_run_leaves_no_slice(self):
        run = self.start("run", "--name", "orphan", "-m", "64Mi", "--", "sleep", "0.2")
        self.wait_for("the slice", lambda: self.agent_pid() and "orphan" in self.slices())
        run.kill()
        run.communicate(timeout=60)
        self.wait_for("the slice's end", lambda: "orphan" not in self.slices())

    def test_resize_changes_only_what_was_given(self):
        self.call("slice", "create", "a", "-c", "25%", "-m", "64Mi", "-p", "low")
        self.assertEqual(self.call("slice", "resize", "a", "--limit", "50%").returncode, 0)
        entry = self.slices()["a"]
        self.assertEqual((entry["guarantee_bp"], entry["limit_bp"], entry["priority"]), (2500, 5000, "low"))

    def test_a_program_sees_one_platform_with_its_slice(self):
        done = self.call("run", "-c", "30%", "-m", "256Mi", "--",
                         "env", *self.program_variables, sys.executable, "-c", LOOK)
        self.assertEqual(done.stdout.split(), ["1", "1", str(256 << 20)], done.stderr)

    def test_where_the_xpu_is_the_cpu_its_scheduler_knows_the_priority(self):
        devices = json.loads(self.call("devices", "--json").stdout)["xpus"]
        if "cpu" not in devices[0]["type"].lower():
            self.skipTest("the XPU is not this machine's CPU")
        look = LOOK + "import os; print(os.getpriority(os.PRIO_PROCESS, 0))"
        own = str(os.getpriority(os.PRIO_PROCESS, 0))  # which a normal slice leaves alone
        for priority, nice in (("low", "10"), ("normal", own)):
            done = self.call("run", "-m", "256Mi", "-p", priority, "--",
                             "env", *self.program_variables, sys.executable, "-c", look)
            self.assertEqual(done.stdout.split()[-1], nice, done.stderr)

    def test_trace_draws_a_picture_that_is_well_formed(self):
        self.call("slice", "create", "a", "-c", "25%", "-m", "64Mi")
        picture = self.path("lease.svg")
        done = self.call("trace", "--seconds", "0.3", "-o", str(picture), "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["xpus"][0]["slices"][0]["name"], "a")
        self.assertTrue(xml.etree.ElementTree.parse(picture).getroot().tag.endswith("svg"))

    def test_events_tell_what_happened(self):
        self.call("slice", "create", "a", "-c", "25%", "-m", "64Mi")
        self.assertIn("slice-created", self.call("events").stdout)
        self.assertEqual(len(json.loads(self.call("events", "--last", "1", "--json").stdout)["events"]), 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--xpool", required=True)
    parser.add_argument("--agent", required=True)
    parser.add_argument("--shim", required=True)
    parser.add_argument("--preload", help="a sanitizer's runtime, which must be loaded before a shim built with it")
    options, rest = parser.parse_known_args()
    CommandTest.xpool, CommandTest.agent = os.path.abspath(options.xpool), os.path.abspath(options.agent)
    CommandTest.shim_folder = str(Path(options.shim).resolve().parent)
    if options.preload:
        RealAgent.program_variables = [f"LD_PRELOAD={options.preload}"]
    unittest.main(argv=[sys.argv[0], *rest], verbosity=1)


if __name__ == "__main__":
    main()
