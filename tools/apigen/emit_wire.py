"""Emits the client's side of the codec of every call, and what both sides share: wire_codec.h, wire_encode.cc and
wire_answers.cc. wire_plan.py decides how a call travels, emit_wire_serve.py writes the worker's side; what the statements
do is written by hand in src/wire_opencl."""

import re

import text
import wire_plan
from wire_plan import (count_of, host_ptr_of, kind_of, limit_of, map_flags_of, mem_flags_of, mem_of, name_of, plans,
                       selector_of, values_of)

HEADER = """\
// The codec of every OpenCL call, on src/wire: docs/decisions/0009-wire-codec.md says how a call travels. Thread-compatible.
//
//   client:  Encoder call(writer, client, minted);
//            RETURN_IF_ERROR(EncodeCall_clFinish(queue, call));
//            ... if call.wants_answer(): AnswerDecoder answer(reader, client, call.expected());
//            ASSIGN_OR_RETURN(cl_int status, DecodeAnswer_clFinish(queue, answer));
//   worker:  ASSIGN_OR_RETURN(Served served, ServeCall(id, reader, server, writer, &trace));
#pragma once

#include <CL/cl.h>

#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "generated/opencl/call_info.h"
#include "generated/opencl/dispatch_table.h"
#include "wire/reader.h"
#include "wire/writer.h"
#include "wire_opencl/answer_decoder.h"
#include "wire_opencl/decoder.h"
#include "wire_opencl/encoder.h"
#include "wire_opencl/server_context.h"
#include "wire_opencl/svm_calls.h"

namespace xpool::wire_cl {

using cl::ContextCallback;
using cl::ContextDestructorCallback;
using cl::EventCallback;
using cl::MemDestructorCallback;
using cl::ProgramCallback;

// When the client waits for the answer of a call.
enum class Answers : uint8_t {
  kNever,       // an error comes all the same
  kAlways,
  kIfAsked,     // if the program passed a place for out-bytes
  kIfBlocking,  // if the blocking parameter is true
  kIfData,      // if bytes of the device come back, or the blocking parameter is true
};

struct WireCall {
  Answers answers = Answers::kNever;
  std::string_view cannot_cross;  // why it is answered where the program runs, or not at all; empty if it can
  bool by_hand = false;           // its codec is in wire_opencl/svm_calls.h
};

// By call ID.
inline constexpr WireCall kWireCalls[cl::kMaxCallId + 1] = {
    {Answers::kNever, "there is no such call"},
@TABLE@};

// X(clFinish) and so on, for every call whose codec is here.
#define XPOOL_WIRE_CALLS(X) \\
@LIST@

// Serves one call: decodes it from |in| (the payload of its frame), calls the driver, registers what was made, and
// writes the answer's payload. Errors are the client's breach of the protocol, with call and parameter; OpenCL's own
// errors are in the answer. kLater: nothing was written, ServerContext::WhenDone() has the rest. |trace| is filled.
absl::StatusOr<Served> ServeCall(CallId id, wire::Reader& in, ServerContext& server, wire::Writer& out, CallTrace* trace);

"""

SOURCE = """\
#include "generated/opencl/wire_codec.h"

namespace xpool::wire_cl {

"""

def _signature(function, lead, name, body, last):
    """A definition's head: a parameter that |body| does not use has no name."""
    params = [param.declare() if re.search(rf"\b{param.name}\b", body) else param.type.replace(" *", "*")
              for param in function.params]
    return text.wrap(f"{lead} {name}(", params + [last], ") {", 4)


def _client_layout(plan, size):
    args = [name_of(plan, index) for index in size.args]
    if size.form == "kBytes":
        return f"DenseLayout({args[0]})"
    if size.form == "kRect":
        return f"RectLayout({', '.join(args)})"
    if size.form == "kImageRegion":
        return f"call.ImageRegion({', '.join(args)})"
    if size.form == "kImageData":
        return f"ImageDataLayout(*{args[0]}, *{args[1]})"
    function = {"kImageRows": "ImageRowsLayout", "kImageSlices": "ImageSlicesLayout"}[size.form]
    return f"{function}(*{', '.join(args)})"


def _encode_value(plan, index):
    param, role = plan.function.params[index], plan.roles[index]
    if role == "value":
        return f"  call.Value({param.name});\n"
    if role == "packed_pitch":
        return f"  call.Value({host_ptr_of(plan).name} != nullptr ? size_t{{0}} : {param.name});\n"
    if role == "handle":
        return f'  call.Handle("{param.name}", {kind_of(param)}, {param.name});\n'
    return ""


def _encode_new(plan):
    function, out = plan.function, ""
    if function.returns_handle:
        out += f'  call.Mint("return", ValueKind::{text.camel(function.returns_handle.kind)}, true);\n'
    for _, param in plan.params("event"):
        out += f'  call.Mint("{param.name}", {kind_of(param)}, {param.name} != nullptr);\n'
    for _, param in plan.params("new_handles"):
        out += f'  call.MintArray("{param.name}", {kind_of(param)}, {param.name} != nullptr, {count_of(plan, param)});\n'
    return out


def _encode_data(plan, index):
    """The statement that encodes what is behind a pointer."""
    param, role = plan.function.params[index], plan.roles[index]
    name, start = param.name, f'call.{{}}("{param.name}", '
    if role == "handles":
        return f'call.Handles("{name}", {kind_of(param)}, {name}, {count_of(plan, param)});'
    if role == "elements":
        return start.format("Elements") + f"{name}, {count_of(plan, param)}{limit_of(plan, param)});"
    if role == "string":
        return start.format("String") + f"{name});"
    if role == "strings":
        lengths = name_of(plan, param.each.arg) if param.each.arg >= 0 else "nullptr"
        terminated = "false" if param.each.form == "kBytes" else "true"
        return start.format("Strings") + f"{name}, {lengths}, {count_of(plan, param)}, {terminated});"
    if role == "properties":
        return start.format("PropertyList") + f"{name}, {values_of(plan, index)});"
    if role == "partition":
        return start.format("PartitionList") + f"{name});"
    if role in ("sub_buffer", "fill_color"):
        method = {"sub_buffer": "SubBufferInfo", "fill_color": "FillColor"}[role]
        return start.format(method) + f"{name_of(plan, param.size.args[0])}, {name});"
    if role == "image_format":
        return start.format("ImageFormat") + f"{name});"
    if role == "image_desc":
        return start.format("ImageDesc") + f"{name}, {host_ptr_of(plan).name} != nullptr);"
    if role == "argument":
        kernel, number = (other.name for other in plan.function.params[:2])
        return start.format("Argument") + f"{kernel}, {number}, {name_of(plan, param.size.args[0])}, {name});"
    if role == "callback":
        return start.format("Callback") + f"CallId::{plan.function.name}, {name}, {name_of(plan, param.user_data)});"
    if role == "data":
        return start.format("Data") + f"{name}, {_client_layout(plan, param.size)});"
    if role == "target":
        return start.format("Expect") + f"{name}, {_client_layout(plan, param.size)});"
    if role == "mapping":
        return start.format("Unmap") + f"{mem_of(plan)}, {name});"
    return ""


def _encode_map(plan):
    if not plan.maps():
        return ""
    tail = f"{map_flags_of(plan)}, {plan.blocking().name} != CL_FALSE);"
    size = plan.function.returns_size
    args = ", ".join(name_of(plan, index) for index in size.args)
    if size.form == "kBytes":
        return f"call.MapBuffer({mem_of(plan)}, {args}, {tail}"
    return f"call.MapImage({args}, {tail}"


def _checks(plan):
    """What the client refuses to encode."""
    out = ""
    for index, param in enumerate(plan.function.params):
        needed = index in plan.bits or (plan.roles[index] in ("gap", "map_pitch") and param.pointer)
        if needed and not param.optional:
            out += f'  call.Require({param.name} != nullptr, "{param.name}");\n'
    if host_ptr := host_ptr_of(plan):
        out += f'  call.HostPointer("{host_ptr.name}", {mem_flags_of(plan)}, {host_ptr.name});\n'
    return out + "  if (!call.ok()) return call.status();\n" if out else ""


def _wants(plan):
    if plan.answers == "kAlways":
        return "  call.WantAnswer(true);\n"
    if plan.answers == "kIfAsked":
        asked = " || ".join(f"{param.name} != nullptr" for _, param in plan.params("out", "filled", "count", "new_handles"))
        return f"  call.WantAnswer({asked});\n"
    if plan.answers == "kIfBlocking":
        return f"  call.WantAnswer({plan.blocking().name} != CL_FALSE);\n"
    return ""


def _encode_body(plan):
    function = plan.function
    out = f'  call.Begin("{function.name}");\n' + _checks(plan)
    if plan.bits:
        given = [f"{name_of(plan, index)} != nullptr" for index in plan.bits]
        out += text.wrap("  call.Presence({", given, "});", 17)
    out += "".join(_encode_value(plan, index) for index in range(len(function.params))) + _encode_new(plan)
    for statement in [_encode_data(plan, index) for index in range(len(function.params))] + [_encode_map(plan)]:
        if statement:
            head, arguments = statement.split("(", 1)
            out += text.wrap(f"  {head}(", _split(arguments.removesuffix(");")), ");", 2 + len(head) + 1)
    return out + _wants(plan) + "  return call.status();\n"


def _split(arguments):
    """Arguments at the commas outside parentheses and braces."""
    parts, depth, part = [], 0, ""
    for char in arguments:
        depth += (char in "({") - (char in ")}")
        if char == "," and depth == 0:
            parts.append(part.strip())
            part = ""
        else:
            part += char
    return parts + [part.strip()]


def _decode_filled(plan, index):
    """The out array at |index| and its count."""
    param = plan.function.params[index]
    count = plan.function.params[param.filled]
    size = name_of(plan, param.size.args[0])
    out = f'  const uint64_t filled = answer.Filled("{count.name}", {count.name});\n'
    if plan.roles[index] == "new_handles":
        return out + text.call('  answer.FilledHandles(', [f'"{param.name}"', kind_of(param), param.name, size, "filled"], 23)
    if param.selector < 0:
        value = f"static_cast<char*>({param.name})" if wire_plan.countable(param) == "char" else param.name
        return out + text.call("  answer.FilledElements(", [f'"{param.name}"', value, size, "filled"], 24)
    info = [f'"{param.name}"', values_of(plan, index), selector_of(plan, param), param.name, size, "filled"]
    if "binaries" not in param.values.values():
        return out + text.call("  answer.Info(", info, 14)
    program = plan.function.params[0].name
    return (out + f"  if (KindOf({values_of(plan, index)}, {selector_of(plan, param)}) == ValueKind::kBinaries) {{\n"
            + f'    answer.Binaries("{param.name}", {program}, {param.name}, {size});\n  }} else {{\n  '
            + text.call("  answer.Info(", info, 16) + "  }\n")


def _answer_body(plan):
    out = ""
    if plan.blocking():
        waits = f"{plan.blocking().name} != CL_FALSE"
        if plan.maps():
            waits += f" || ({map_flags_of(plan)} & CL_MAP_WRITE_INVALIDATE_REGION) == 0"
        out += "  answer.Data();\n" if plan.answers == "kAlways" else f"  if ({waits}) answer.Data();\n"
    for index, param in enumerate(plan.function.params):
        if plan.roles[index] == "out":
            out += f'  answer.Elements("{param.name}", {param.name}, {count_of(plan, param)});\n'
        if plan.roles[index] in ("filled", "new_handles"):
            out += _decode_filled(plan, index)
    if not out:
        return "  static_cast<void>(answer.Failed());\n  return answer.Finish();\n"
    return "  if (answer.Failed()) return answer.Finish();\n" + out + "  return answer.Finish();\n"


def _table_row(plan):
    more = f', "{plan.cannot_cross}"' if plan.cannot_cross else ', "", true' if plan.by_hand else ""
    return f"    {{Answers::{plan.answers}{more}}},  // {plan.function.name}\n"


def _check_ids(found):
    """The tables are indexed by ID, so a row for each has to be there."""
    for number, plan in enumerate(found, 1):
        if plan.function.id != number:
            raise wire_plan.WireError(f"{plan.function.name}: ID {plan.function.id} where {number} is next; "
                                      "give wire_codec.h a row for IDs that are no longer in use")


def header(spec):
    found = plans(spec)
    _check_ids(found)
    crossing = [plan for plan in found if plan.generated()]
    out = HEADER
    for key, value in (("TABLE", "".join(map(_table_row, found))),
                       ("LIST", " \\\n".join(f"  X({plan.function.name})" for plan in crossing))):
        out = out.replace(f"@{key}@", value)
    for plan in crossing:
        declared = [param.declare() for param in plan.function.params]
        out += text.wrap(f"absl::Status EncodeCall_{plan.function.name}(", declared + ["Encoder& call"], ");", 4)
        out += text.wrap(f"absl::StatusOr<cl_int> DecodeAnswer_{plan.function.name}(", declared + ["AnswerDecoder& answer"],
                         ");", 4)
    return text.banner(spec) + out + "\n}  // namespace xpool::wire_cl\n"


def _definitions(spec, lead, prefix, body_of, last):
    """A source file with a function for every generated call: |lead| |prefix|clX(its parameters, |last|) { |body_of|(plan) }."""
    out = text.banner(spec) + SOURCE
    for plan in plans(spec):
        if plan.generated():
            body = body_of(plan)
            out += _signature(plan.function, lead, prefix + plan.function.name, body, last) + body + "}\n\n"
    return out + "}  // namespace xpool::wire_cl\n"


def encode(spec):
    return _definitions(spec, "absl::Status", "EncodeCall_", _encode_body, "Encoder& call")


def answers(spec):
    return _definitions(spec, "absl::StatusOr<cl_int>", "DecodeAnswer_", _answer_body, "AnswerDecoder& answer")
