"""Emits the shim's side: entry_points.h/.cc (the C functions) and icd_dispatch.h/.cc (the tables that loaders read)."""

import text

ENTRY_HEADER = """\
// The C functions that a program calls, by name: each calls its hook, or unwraps the handles and calls the driver.
#pragma once

#include "generated/opencl/dispatch_table.h"

namespace xpool::cl::entry {

"""

ENTRY_SOURCE = """\
#include "generated/opencl/entry_points.h"

#include "generated/opencl/hooks.h"
#include "shim/opencl/event.h"
#include "shim/opencl/objects.h"
#include "shim/opencl/queue.h"

namespace xpool::cl::entry {
namespace {

[[maybe_unused]] std::nullptr_t Fail(cl_int* errcode_ret, cl_int code) {
  if (errcode_ret != nullptr) *errcode_ret = code;
  return nullptr;
}

// The object behind |handle| if the driver may be called for it in this process.
template <typename T>
T* Usable(typename T::Handle handle) {
  T* object = FromHandle<T>(handle);
  return object != nullptr && OfThisProcess(*object) ? object : nullptr;
}

}  // namespace

"""

ICD_HEADER = """\
// What ICD loaders and programs get at the shim's functions by: the ICD dispatch table that every object starts with, and
// the look-up by name behind clGetExtensionFunctionAddress.
#pragma once

#include <CL/cl_icd.h>

#include <string_view>

namespace xpool::cl {

extern const cl_icd_dispatch kIcdDispatch;

// The shim's function |name|, core or extension, or nullptr. Extensions that it does not know stay unknown to programs.
void* FindEntryPoint(std::string_view name);

}  // namespace xpool::cl
"""

ICD_SOURCE = """\
#include "@HEADER@"

#include <algorithm>
#include <iterator>

#include "@ENTRIES@"
@EXTRA@
namespace @NAMESPACE@ {
namespace {

// Fills the slots of extensions that are not offered, so that a program which calls one anyway gets an error.
void SetError(int* errcode_ret) {
  if (errcode_ret != nullptr) *errcode_ret = CL_INVALID_OPERATION;
}
template <typename First, typename... Rest>
void SetError(First, Rest... rest) {
  SetError(rest...);
}

template <typename Function>
struct Unsupported;

template <typename... Args>
struct Unsupported<cl_int(CL_API_CALL*)(Args...)> {
  static cl_int CL_API_CALL Call(Args...) { return CL_INVALID_OPERATION; }
};

template <typename Result, typename... Args>
struct Unsupported<Result*(CL_API_CALL*)(Args...)> {
  static Result* CL_API_CALL Call(Args... args) {
    SetError(args...);
    return nullptr;
  }
};

struct NamedFunction {
  std::string_view name;
  void* function;
};

// Ordered by name.
const NamedFunction kFunctions[] = {
@NAMES@};

}  // namespace

const cl_icd_dispatch @TABLE@ = {
@SLOTS@};

void* @FIND@(std::string_view name) {
  const auto* found = std::lower_bound(std::begin(kFunctions), std::end(kFunctions), name,
                                       [](const NamedFunction& entry, std::string_view key) { return entry.name < key; });
  return found != std::end(kFunctions) && found->name == name ? found->function : nullptr;
}

}  // namespace @NAMESPACE@
"""


def entry_header(spec):
    out = text.banner(spec) + ENTRY_HEADER
    for function in spec.functions:
        out += text.signature(function, function.name, "CL_API_CALL ", " noexcept;")
    return out + "\n}  // namespace xpool::cl::entry\n"


def _forward(function):
    """The body that unwraps the handles and calls the driver of the first one."""
    body, arguments, first = "", [], None
    for param in function.params:
        if param.handle is None or param.pointer:
            arguments.append(param.name)
            continue
        local, cast = f"own_{param.name}", "Usable" if param.handle.kind not in ("platform", "device") else "FromHandle"
        body += f"  auto* const {local} = {cast}<{param.handle.object}>({param.name});\n"
        given = f"{param.name} != nullptr && " if param.optional else ""
        body += f"  if ({given}{local} == nullptr) {text.error_return(function, param.handle.invalid)}\n"
        arguments.append(f"{local} != nullptr ? {local}->driver : nullptr" if param.optional else f"{local}->driver")
        first = first or local
    return body + text.call(f"  return {first}->api->{function.name}(", arguments, 6)


def _body(function, target):
    """The statements of an entry point; |target| is the function itself or, of an alias, the one it stands for."""
    if target.counts and target.handler == "generated":
        param = function.params[0]
        verb = "RetainHandle" if target.counts == "retain" else "ReleaseHandle"
        return f"  return {verb}<{param.handle.object}>({param.name});\n"
    if target.handler == "generated":
        if function.alias:
            return text.call(f"  return entry::{target.name}(", [p.name for p in function.params], 6)
        return _forward(function)
    return text.call(f"  return hook::{target.name}(", [p.name for p in function.params], 6)


def catch(function):
    if function.returns == "void":
        return " catch (...) {\n}\n\n"
    return f" catch (...) {{\n  {text.error_return(function, 'CL_OUT_OF_HOST_MEMORY')}\n}}\n\n"


def entry_source(spec):
    out = text.banner(spec) + ENTRY_SOURCE
    for function in spec.functions:
        target = spec.by_name(function.alias) if function.alias else function
        out += text.signature(function, function.name, "CL_API_CALL ", " noexcept try {")
        out += _body(function, target) + "}" + catch(function)
    return out + "}  // namespace xpool::cl::entry\n\n" + exports(spec, "xpool::cl::entry")


def exports(spec, namespace):
    """The functions that ICD loaders look up in the library itself."""
    out = "// Looked up by ICD loaders in the library itself.\n#define XPOOL_EXPORT extern \"C\" "
    out += "__attribute__((visibility(\"default\")))\n\n"
    for function in spec.functions:
        if function.export:
            out += text.signature(function, function.name, "CL_API_CALL ", " {", lead="XPOOL_EXPORT ")
            out += text.call(f"  return {namespace}::{function.name}(", [p.name for p in function.params], 6)
            out += "}\n\n"
    return out.removesuffix("\n")


def icd_header(spec):
    return text.banner(spec) + ICD_HEADER


def tables(spec, slots, header, entries, namespace, table, find, scope, extra=""):
    """The ICD dispatch table and the look-up by name over the functions in the C++ namespace |scope|."""
    known = {function.name for function in spec.functions}
    rows = ""
    for slot in slots:
        if slot in known:
            rows += f"    .{slot} = &{scope}::{slot},\n"
        elif slot in spec.unsupported:
            rows += f"    .{slot} = &Unsupported<cl_api_{slot}>::Call,\n"
    names = "".join(f'    {{"{name}", reinterpret_cast<void*>(&{scope}::{name})}},\n' for name in sorted(known))
    out = ICD_SOURCE
    for key, value in (("HEADER", header), ("ENTRIES", entries), ("NAMESPACE", namespace), ("TABLE", table),
                       ("FIND", find), ("SLOTS", rows), ("NAMES", names), ("EXTRA", extra)):
        out = out.replace(f"@{key}@", value)
    return text.banner(spec) + out


def icd_source(spec, slots):
    return tables(spec, slots, "generated/opencl/icd_dispatch.h", "generated/opencl/entry_points.h", "xpool::cl",
                  "kIcdDispatch", "FindEntryPoint", "entry")
