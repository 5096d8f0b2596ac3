"""Emits the frame of the null driver: its C functions with the checks that follow from the spec, and its tables. What the
functions do behind the checks is written by hand in src/backend/null."""

import re

import emit_shim
import text

HEADER = """\
// The frame of the null driver (src/backend/null): its C functions, which check what the spec says about their parameters
// and then call the function of the same name in null_cl::impl, written by hand.
#pragma once

#include <CL/cl_icd.h>

#include <string_view>

#include "generated/opencl/dispatch_table.h"

namespace xpool::null_cl {

using cl::ContextCallback;
using cl::ContextDestructorCallback;
using cl::EventCallback;
using cl::MemDestructorCallback;
using cl::NativeKernel;
using cl::ProgramCallback;
using cl::SvmFreeCallback;

extern const cl_icd_dispatch kNullDispatch;

// The driver's function |name|, or nullptr.
void* FindNullFunction(std::string_view name);

"""

IMPL = """\
// REQUIRES: handles are alive and of their kind, parameters that are not optional are not NULL, wait lists are whole.
namespace impl {

"""

SOURCE = """\
#include "generated/opencl/null_driver_gen.h"

#include "backend/null/faults.h"
#include "backend/null/objects.h"
#include "generated/opencl/call_info.h"

namespace xpool::null_cl {

using cl::CallId;

namespace entry {
namespace {

[[maybe_unused]] std::nullptr_t Fail(cl_int* errcode_ret, cl_int code) {
  if (errcode_ret != nullptr) *errcode_ret = code;
  return nullptr;
}

}  // namespace

"""


def _implemented(function):
    return not function.alias and not function.counts and not function.null


def header(spec):
    out = text.banner(spec) + HEADER + "namespace entry {\n\n"
    for function in spec.functions:
        out += text.signature(function, function.name, "CL_API_CALL ", " noexcept;")
    out += "\n}  // namespace entry\n\n" + IMPL
    for function in spec.own():
        if _implemented(function):
            out += text.signature(function, function.name)
    return out + "\n}  // namespace impl\n}  // namespace xpool::null_cl\n"


def _check(param, function):
    """The statement that refuses a bad |param|, or an empty string."""
    if param.handle and not param.pointer:
        given = f"{param.name} != nullptr && " if param.optional else ""
        refuse = text.error_return(function, param.error or param.handle.invalid)
        return f"  if ({given}As<{param.handle.object}>({param.name}) == nullptr) {refuse}\n"
    refuse = text.error_return(function, param.error or "CL_INVALID_VALUE")
    if param.handle and param.dir == "in" and param.size.form == "kElements" and param.size.args:
        count = function.params[param.size.args[0]].name
        if param.error:
            return f"  if (!AreAlive<{param.handle.object}>({count}, {param.name})) {refuse}\n"
        out = f"  if (({count} == 0) != ({param.name} == nullptr)) {refuse}\n"
        if not param.optional:
            out = f"  if ({count} == 0 || {param.name} == nullptr) {refuse}\n"
        refuse = text.error_return(function, param.handle.invalid)
        return out + f"  if (!AreAlive<{param.handle.object}>({count}, {param.name})) {refuse}\n"
    if (param.pointer or param.callback) and not param.optional:
        return f"  if ({param.name} == nullptr) {refuse}\n"
    return ""


def _body(function):
    out = f"  if (const cl_int error = EnterCall(CallId::{function.name}); error != CL_SUCCESS) "
    out += text.error_return(function, "error") + "\n"
    if function.counts:
        param = function.params[0]
        return out + f"  return {function.counts.capitalize()}<{param.handle.object}>({param.name});\n"
    # Handles first, then wait lists, then the rest: the order in which the specification lists errors.
    ordered = sorted(function.params, key=lambda param: (not (param.handle and not param.pointer), not param.error))
    out += "".join(_check(param, function) for param in ordered)
    if function.null:
        unused = [param.name for param in function.params if not re.search(rf"\b{param.name}\b", out)]
        ignore = "".join(f"  (void){name};\n" for name in unused)
        return out + ignore + "  " + text.error_return(function, function.null) + "\n"
    return out + text.call(f"  return impl::{function.name}(", [p.name for p in function.params], 6)


def source(spec):
    out = text.banner(spec) + SOURCE
    for function in spec.functions:
        out += text.signature(function, function.name, "CL_API_CALL ", " noexcept try {")
        if function.alias:
            out += text.call(f"  return entry::{function.alias}(", [p.name for p in function.params], 6)
        else:
            out += _body(function)
        out += "}" + emit_shim.catch(function)
    out += "}  // namespace entry\n}  // namespace xpool::null_cl\n\n"
    return out + emit_shim.exports(spec, "xpool::null_cl::entry")


def tables(spec, slots):
    return emit_shim.tables(spec, slots, "generated/opencl/null_driver_gen.h", "generated/opencl/null_driver_gen.h",
                            "xpool::null_cl", "kNullDispatch", "FindNullFunction", "entry")
