"""Tests of loading and checking: python3 -m unittest discover -s tools/apigen -p '*_test.py'"""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import spec  # noqa: E402

BASE = """
[api]
name = "opencl"
[handles]
cl_mem = { kind = "mem", object = "Mem", invalid = "CL_INVALID_MEM_OBJECT" }
[callbacks]
MemCallback = ["cl_mem mem", "void * user_data"]
"""

FUNCTION = """
[[function]]
name = "clThing"
since = "1.0"
class = "query"
handler = "hook"
returns = "cl_int"
params = [
  { name = "mem", type = "cl_mem" },
  { name = "size", type = "size_t" },
  { name = "value", type = "void *", dir = "out", size = "size bytes", optional = true },
]
"""


class SpecTest(unittest.TestCase):
    def fails(self, text, *words):
        with self.assertRaises(spec.SpecError) as caught:
            spec.load_text(BASE + text)
        for word in words:
            self.assertIn(word, str(caught.exception))

    def test_loads_handles_directions_and_sizes(self):
        function = spec.load_text(BASE + FUNCTION).functions[0]
        mem, size, value = function.params
        self.assertEqual(mem.handle.kind, "mem")
        self.assertIsNone(size.handle)
        self.assertEqual((value.dir, value.size.form, value.size.args), ("out", "kBytes", (1,)))
        self.assertEqual(function.signature(), "cl_mem mem, size_t size, void* value")

    def test_unknown_key_names_the_known_ones(self):
        self.fails(FUNCTION.replace("since", "sinse"), "clThing", '"sinse"', "deprecated")

    def test_unknown_class_handler_and_direction_are_refused(self):
        self.fails(FUNCTION.replace('"query"', '"ask"'), '"ask"', "query, create")
        self.fails(FUNCTION.replace('"hook"', '"hok"'), '"hok"')
        self.fails(FUNCTION.replace('"out"', '"up"'), "clThing(value)", '"up"')

    def test_size_must_name_a_parameter(self):
        self.fails(FUNCTION.replace("size bytes", "sice bytes"), "clThing(value)", '"sice"', "mem, size, value")

    def test_unknown_size_form_is_refused(self):
        self.fails(FUNCTION.replace("size bytes", "cube(size)"), '"cube"', "rect")
        self.fails(FUNCTION.replace("size bytes", "rect(size)"), "takes 4")

    def test_writable_pointer_needs_a_direction(self):
        self.fails(FUNCTION.replace('dir = "out", ', ""), "clThing(value)", "dir is missing")

    def test_pointer_needs_a_size(self):
        self.fails(FUNCTION.replace('size = "size bytes", ', ""), "clThing(value)", '"size" is missing')

    def test_array_of_pointers_needs_each(self):
        text = FUNCTION.replace('"void *", dir = "out"', '"const char **"').replace("size bytes", "size")
        self.fails(text, '"each" is missing')

    def test_callback_needs_its_user_data(self):
        self.fails(FUNCTION.replace('type = "size_t"', 'type = "MemCallback"'), "clThing(size)", '"user_data"')

    def test_values_need_a_selector(self):
        self.fails(FUNCTION.replace("optional = true", 'values = { CL_X = "mem" }'), "param_name")

    def test_values_must_be_known_kinds(self):
        self.fails(FUNCTION.replace("optional = true", 'values = { CL_X = "memory" }'), '"memory"', "binaries")

    def test_function_and_parameter_twice_are_refused(self):
        self.fails(FUNCTION + FUNCTION, "clThing is there twice")
        self.fails(FUNCTION.replace('"value"', '"size"'), "name is there twice")

    def test_generated_handler_needs_a_handle(self):
        text = FUNCTION.replace('"hook"', '"generated"').replace('{ name = "mem", type = "cl_mem" },', "")
        self.fails(text, "needs a handle")

    def test_alias_must_have_the_same_signature(self):
        alias = FUNCTION.replace('"clThing"', '"clThingKHR"').replace('handler = "hook"', 'alias = "clThing"')
        self.assertEqual(len(spec.load_text(BASE + FUNCTION + alias).own()), 1)
        self.fails(FUNCTION + alias.replace("size_t", "cl_uint"), "clThingKHR", "signature differs")
        self.fails(alias, "clThingKHR", "no function of this spec")

    def test_broken_toml_is_a_spec_error(self):
        self.fails("[[function]\n", "spec")


if __name__ == "__main__":
    unittest.main()
