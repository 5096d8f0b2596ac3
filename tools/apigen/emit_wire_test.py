"""Tests of how calls are planned to travel, and of the codec that is generated from the plans."""

import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

import emit_wire  # noqa: E402
import emit_wire_serve  # noqa: E402
import lock  # noqa: E402
import spec  # noqa: E402
import wire_plan  # noqa: E402


def committed():
    loaded = spec.load(ROOT / "api" / "opencl.toml")
    lock.assign((ROOT / "api" / "call_ids.lock").read_text(), loaded)
    return loaded


SPEC = committed()


def plan(name):
    return wire_plan.plan(SPEC.by_name(name))


def roles(name):
    return {param.name: role for param, role in zip(SPEC.by_name(name).params, plan(name).roles)}


def function_text(source, name):
    """The definition of |name| in generated C++."""
    start = source.index(f"{name}(")
    return source[start:source.index("\n}\n", start)]


class PlanTest(unittest.TestCase):
    def test_every_parameter_has_a_role_or_its_call_cannot_cross(self):
        for function in SPEC.own():
            with self.subTest(function.name):
                planned = wire_plan.plan(function)
                self.assertTrue(not planned.generated() or None not in planned.roles)

    def test_parameter_without_a_rule_is_an_error_that_names_it(self):
        text = (ROOT / "api" / "opencl.toml").read_text().replace(
            '{ name = "spec_value", type = "const void *", size = "spec_size bytes" }',
            '{ name = "spec_value", type = "void *", dir = "inout", size = "spec_size bytes" }')
        loaded = spec.load_text(text)
        with self.assertRaisesRegex(spec.SpecError, r"clSetProgramSpecializationConstant\(spec_value\): no rule"):
            wire_plan.plan(loaded.by_name("clSetProgramSpecializationConstant"))

    def test_pitches_of_transfers_stay_at_home_and_those_of_creations_become_0(self):
        rect = roles("clEnqueueReadBufferRect")
        self.assertEqual([rect[name] for name in ("host_origin", "host_row_pitch", "host_slice_pitch")], ["gap"] * 3)
        self.assertEqual([rect[name] for name in ("buffer_origin", "region")], ["elements"] * 2)
        self.assertEqual(rect["buffer_row_pitch"], "value")
        self.assertEqual(roles("clCreateImage3D")["image_slice_pitch"], "packed_pitch")
        self.assertEqual(roles("clEnqueueMapImage")["image_row_pitch"], "map_pitch")

    def test_out_parameters_are_told_apart(self):
        info = roles("clGetDeviceInfo")
        self.assertEqual((info["param_value"], info["param_value_size_ret"]), ("filled", "count"))
        self.assertEqual(roles("clCreateKernelsInProgram")["kernels"], "new_handles")
        self.assertEqual(roles("clEnqueueNDRangeKernel")["event"], "event")
        self.assertEqual(roles("clEnqueueReadImage")["ptr"], "target")
        self.assertEqual(roles("clCreateProgramWithBinary")["binary_status"], "out")

    def test_code_addresses_and_reference_counts_cannot_cross(self):
        stay = {function.name for function in SPEC.own() if wire_plan.plan(function).cannot_cross}
        expected = {"clEnqueueNativeKernel", "clGetExtensionFunctionAddress", "clGetExtensionFunctionAddressForPlatform"}
        expected |= {function.name for function in SPEC.own() if function.name.startswith("clRetain")}
        self.assertEqual(stay, expected)

    def test_calls_on_shared_memory_are_written_by_hand(self):
        by_hand = {function.name for function in SPEC.own() if wire_plan.plan(function).by_hand}
        shared = {function.name for function in SPEC.own() if "SVM" in function.name}
        self.assertEqual(by_hand, shared | {"clSetKernelExecInfo"})

    def test_answers_follow_from_the_spec(self):
        expected = {
            "clGetDeviceInfo": "kAlways", "clFinish": "kAlways", "clBuildProgram": "kAlways", "clGetHostTimer": "kAlways",
            "clEnqueueReadBuffer": "kAlways", "clEnqueueMapBuffer": "kIfData", "clEnqueueWriteImage": "kIfBlocking", "clCreateKernelsInProgram": "kIfAsked",
            "clEnqueueNDRangeKernel": "kNever", "clCreateBuffer": "kNever", "clReleaseEvent": "kNever", "clFlush": "kNever",
            "clEnqueueMarker": "kNever",
        }
        for name, answers in expected.items():
            with self.subTest(name):
                self.assertEqual(plan(name).answers, answers)

    def test_calls_that_wait_are_calls_of_the_spec(self):
        for name in wire_plan.WAITS:
            self.assertIn(SPEC.by_name(name).policy, ("sync", "set", "create"))
        for name, param in wire_plan.MAPPINGS:
            self.assertTrue(SPEC.by_name(name).has(param))

    def test_presence_bits_fit_a_word_and_name_what_is_required(self):
        for function in SPEC.own():
            planned = wire_plan.plan(function)
            self.assertLessEqual(len(planned.bits), 32, function.name)
        ndrange = plan("clEnqueueNDRangeKernel")
        self.assertEqual((len(ndrange.bits), ndrange.required()), (5, 0))
        self.assertEqual(plan("clWaitForEvents").required(), 1)


class EmitTest(unittest.TestCase):
    def test_both_sides_read_and_write_the_same_things_in_the_same_order(self):
        encode, serve = emit_wire.encode(SPEC), emit_wire_serve.source(SPEC)
        self.assertIn("call.Handles(\"event_wait_list\"", function_text(encode, "EncodeCall_clEnqueueNDRangeKernel"))
        for planned in wire_plan.plans(SPEC):
            if not planned.generated():
                continue
            name = planned.function.name
            with self.subTest(name):
                written = self.names(function_text(encode, f"EncodeCall_{name}"), "call.")
                read = self.names(function_text(serve, f"Serve_{name}"), "in.")
                self.assertEqual([name for name in written if name in read], [name for name in read if name in written])

    @staticmethod
    def names(body, lead):
        """The parameters named in the statements of |lead|, in order, without the checks that come first."""
        found = []
        for statement in body.replace("\n      ", " ").split(lead)[1:]:
            method, _, rest = statement.partition("(")
            if rest.startswith('"') and method not in ("Require", "HostPointer", "Begin", "CheckCount"):
                name = rest[1:].split('"')[0]
                if name not in found:
                    found.append(name)
        return found

    def test_no_pointer_of_the_client_is_given_to_the_driver(self):
        serve = emit_wire_serve.source(SPEC)
        self.assertIn("Trampoline<EventCallback>(pfn_notify)", function_text(serve, "Serve_clSetEventCallback"))
        self.assertIn("ptr->bytes.get()", function_text(serve, "Serve_clEnqueueReadBuffer"))
        self.assertIn("CL_FALSE", function_text(serve, "Serve_clEnqueueReadBuffer"))
        self.assertIn("kOrigin", function_text(serve, "Serve_clEnqueueWriteBufferRect"))
        self.assertIn("mapped_ptr->data", function_text(serve, "Serve_clEnqueueUnmapMemObject"))

    def test_calls_that_cannot_cross_have_no_codec_but_a_reason(self):
        header = emit_wire.header(SPEC)
        self.assertNotIn("EncodeCall_clEnqueueNativeKernel(", header)
        self.assertIn("user_func is code of the program's process", header)
        self.assertNotIn("X(clEnqueueNativeKernel)", header)

    def test_calls_written_by_hand_are_served_and_not_emitted(self):
        header, serve = emit_wire.header(SPEC), emit_wire_serve.source(SPEC)
        self.assertNotIn("EncodeCall_clSVMAlloc(", header)
        self.assertNotIn("X(clSVMAlloc)", header)
        self.assertNotIn("Serve_clSVMAlloc(Decoder", serve)
        self.assertIn("    &Serve_clSVMAlloc,\n", serve)

    def test_ids_without_a_call_are_an_error(self):
        loaded = committed()
        loaded.functions = [function for function in loaded.functions if function.name != "clFlush"]
        with self.assertRaisesRegex(spec.SpecError, "wire_codec.h"):
            emit_wire.header(loaded)


if __name__ == "__main__":
    unittest.main()
