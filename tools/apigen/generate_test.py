"""Tests of call IDs, of --check and of what is generated from the committed spec."""

import contextlib
import importlib.util
import io
import pathlib
import shutil
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

import generate  # noqa: E402
import icd  # noqa: E402
import lock  # noqa: E402
import spec  # noqa: E402


def apigen(*arguments):
    """(exit status, output) of the command line tool."""
    module_spec = importlib.util.spec_from_file_location("apigen_main", HERE / "__main__.py")
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        return module.main(list(arguments)), output.getvalue()


class LockTest(unittest.TestCase):
    def test_new_functions_are_appended_and_old_ids_stay(self):
        loaded = spec.load(ROOT / "api" / "opencl.toml")
        old = "opencl 1 clGone\nopencl 2 clFinish\nacl 1 aclInit\n"
        text = lock.extend(old, loaded)
        self.assertTrue(text.startswith(old))
        self.assertEqual(lock.extend(text, loaded), text)
        lock.assign(text, loaded)
        self.assertEqual(loaded.by_name("clFinish").id, 2)
        self.assertEqual(loaded.functions[0].id, 3)
        self.assertEqual(loaded.by_name("clCreateProgramWithILKHR").id, loaded.by_name("clCreateProgramWithIL").id)

    def test_gaps_repeats_and_nonsense_are_refused(self):
        for text in ("opencl 2 clA\n", "opencl 1 clA\nopencl 1 clB\n", "opencl 1 clA\nopencl 2 clA\n", "clA 1\n"):
            with self.subTest(text), self.assertRaises(spec.SpecError):
                lock.parse(text)

    def test_removed_or_changed_id_is_refused(self):
        old = "opencl 1 clA\nopencl 2 clB\n"
        lock.check_append_only(old, old + "opencl 3 clC\n")
        for new in ("opencl 1 clA\n", "opencl 1 clB\nopencl 2 clA\n"):
            with self.subTest(new), self.assertRaisesRegex(spec.SpecError, "append-only"):
                lock.check_append_only(old, new)


class CheckTest(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        shutil.copytree(ROOT / "api", self.root / "api")

    def test_check_writes_nothing_and_fails_until_generated(self):
        status, output = apigen("--root", str(self.root), "--check")
        self.assertEqual(status, 1)
        self.assertIn("hooks.h is not current", output)
        self.assertFalse((self.root / "src").exists())
        self.assertEqual(apigen("--root", str(self.root))[0], 0)
        self.assertEqual(apigen("--root", str(self.root), "--check"), (0, ""))

    def test_edited_output_is_found(self):
        apigen("--root", str(self.root))
        path = self.root / "src" / "generated" / "opencl" / "hooks.h"
        path.write_text(path.read_text() + "\n")
        status, output = apigen("--root", str(self.root), "--check")
        self.assertEqual((status, output.count("\n")), (1, 1))

    def test_wrong_spec_is_one_line_and_exit_status_2(self):
        path = self.root / "api" / "opencl.toml"
        path.write_text(path.read_text().replace('class = "sync"', 'class = "sink"', 1))
        status, output = apigen("--root", str(self.root))
        self.assertEqual((status, output.count("\n")), (2, 1))
        self.assertIn("sink", output)

    def test_shrunk_lock_is_refused_against_the_older_one(self):
        older = self.root / "older.lock"
        older.write_text((self.root / "api" / "call_ids.lock").read_text() + "opencl 9999 clX\n".replace("9999", str(
            1 + len(lock.parse((self.root / "api" / "call_ids.lock").read_text())))))
        status, output = apigen("--root", str(self.root), "--lock-base", str(older))
        self.assertEqual(status, 2)
        self.assertIn("append-only", output)


class CommittedSpecTest(unittest.TestCase):
    def setUp(self):
        self.spec = spec.load(ROOT / "api" / "opencl.toml")
        lock.assign((ROOT / "api" / "call_ids.lock").read_text(), self.spec)

    def test_every_slot_of_the_icd_table_is_answered_or_for_other_systems(self):
        known = {function.name for function in self.spec.functions} | set(self.spec.unsupported)
        left = [slot for slot in icd.ICD_SLOTS if slot not in known]
        self.assertTrue(all("D3D1" in slot or "DX9" in slot for slot in left), left)

    def test_every_enqueue_takes_a_queue_and_returns_its_event(self):
        without_event = {"clEnqueueBarrier", "clEnqueueWaitForEvents"}
        for function in self.spec.functions:
            if not function.name.startswith("clEnqueue"):
                continue
            with self.subTest(function.name):
                self.assertEqual(function.params[0].handle.kind, "queue")
                self.assertEqual(function.has("event"), function.name not in without_event)

    def test_every_hook_is_declared_once(self):
        header = generate.outputs(self.spec)["hooks.h"]
        for function in self.spec.own():
            with self.subTest(function.name):
                self.assertEqual(header.count(f" {function.name}("), int(function.handler == "hook"))

    def test_generated_lines_are_not_endless(self):
        for name, contents in generate.outputs(self.spec).items():
            self.assertLess(max(map(len, contents.splitlines())), 160, name)


if __name__ == "__main__":
    unittest.main()
