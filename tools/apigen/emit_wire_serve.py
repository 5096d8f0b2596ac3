"""Emits wire_serve.cc: the worker's side of the codec. wire_plan.py says how each call travels, emit_wire.py writes the
client's side; the statements' meaning is in src/wire_opencl/decoder.h."""

import text
import wire_plan
from wire_plan import (count_of, host_ptr_of, kind_of, limit_of, map_flags_of, mem_flags_of, mem_of, name_of,
                       selector_of, values_of)

SERVE = """\
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "generated/opencl/wire_codec.h"

namespace xpool::wire_cl {
namespace {

using ServeFunction = absl::StatusOr<Served> (*)(Decoder& in, ServerContext& server, Answer& answer);

[[maybe_unused]] constexpr size_t kOrigin[3] = {};  // where packed bytes begin

"""

DISPATCH = """\
// By call ID; nullptr where there is nothing to serve.
constexpr ServeFunction kServe[] = {
    nullptr,
@ROWS@};
static_assert(std::size(kServe) == cl::kMaxCallId + 1);

}  // namespace

absl::StatusOr<Served> ServeCall(CallId id, wire::Reader& in, ServerContext& server, wire::Writer& out, CallTrace* trace) {
  const auto index = static_cast<uint32_t>(id);
  const cl::CallInfo* const info = cl::FindCall(index);
  if (info == nullptr) return absl::InvalidArgumentError(absl::StrCat("call ", index, " is none that this version has"));
  if (kServe[index] == nullptr) {
    return absl::UnimplementedError(absl::StrCat(std::string(info->name), " cannot cross: ", std::string(kWireCalls[index].cannot_cross)));
  }
  Decoder decoder(in, server, trace);
  Answer answer(out, server, trace);
  absl::StatusOr<Served> served = kServe[index](decoder, server, answer);
  if (served.ok() && !answer.status().ok()) return answer.status();
  if (served.ok() && !out.ok()) return out.status();
  return served;
}

}  // namespace xpool::wire_cl
"""


def _given(plan, index):
    return f"(given & {1 << plan.bits[index]}) != 0"


def _server_bytes(plan, param, size):
    """Bytes of host memory, packed, as the worker counts them."""
    args = [name_of(plan, index) for index in size.args]
    if size.form == "kBytes":
        return args[0]
    if size.form == "kRect":
        return f'in.RectBytes("{param}", {args[1]})'
    if size.form == "kImageRegion":
        return f'in.ImageRegionBytes("{param}", {args[0]}, {args[1]})'
    method = {"kImageData": "ImageDataBytes", "kImageRows": "ImageRowsBytes", "kImageSlices": "ImageSlicesBytes"}[size.form]
    gaps = wire_plan.LAYOUTS[size.form]
    return f'in.{method}("{param}", ' + ", ".join(arg for place, arg in enumerate(args) if place not in gaps) + ")"


def _read_value(plan, index):
    param, role = plan.function.params[index], plan.roles[index]
    if role in ("value", "packed_pitch"):
        return f'  const auto {param.name} = in.Value<{param.type}>("{param.name}");\n'
    if role != "handle":
        return ""
    if plan.function.counts == "release":
        return f'  const auto {param.name} = in.Released<{param.type}>("{param.name}", {kind_of(param)});\n'
    arguments = [f'"{param.name}"', kind_of(param), str(param.optional).lower(), param.error or param.handle.invalid]
    return text.call(f"  const auto {param.name} = in.Handle<{param.type}>(", arguments, 6)


def _read_new(plan):
    function, out = plan.function, ""
    if function.returns_handle:
        out += f'  const wire::WireHandle minted = in.Minted("return", ValueKind::{text.camel(function.returns_handle.kind)}, true);\n'
    for index, param in plan.params("event"):
        arguments = [f'"{param.name}"', kind_of(param), _given(plan, index)]
        out += text.call(f"  const wire::WireHandle minted_{param.name} = in.Minted(", arguments, 6)
    for index, param in plan.params("new_handles"):
        arguments = [f'"{param.name}"', kind_of(param), _given(plan, index), count_of(plan, param)]
        out += text.call(f"  const auto minted_{param.name} = in.MintedArray(", arguments, 6)
    return out


def _read_data(plan, index):
    """The statements that read what is behind a pointer."""
    param, role = plan.function.params[index], plan.roles[index]
    name = param.name

    def read(method, *arguments, kind="const auto* const"):
        given = [_given(plan, index)] if index in plan.bits else []
        return text.call(f"  {kind} {name} = in.{method}(", [f'"{name}"', *given, *arguments], 6)

    if role == "handles":
        arguments = [f'"{name}"', kind_of(param), _given(plan, index), count_of(plan, param), param.error or param.handle.invalid]
        return text.call(f"  const auto* const {name} = in.Handles<{wire_plan.element(param)}>(", arguments, 6)
    if role == "elements":
        limit = [limit_of(plan, param).removeprefix(", ")] if limit_of(plan, param) else []
        return read(f"Elements<{wire_plan.element(param)}>", count_of(plan, param), *limit)
    if role in ("string", "partition", "image_format", "image_desc"):
        method = {"string": "String", "partition": "PartitionList", "image_format": "ImageFormat", "image_desc": "ImageDesc"}
        return read(method[role])
    if role == "strings":
        return read("Strings", count_of(plan, param), kind="const Decoder::StringArray")
    if role == "properties":
        return read(f"PropertyList<{wire_plan.element(param)}>", values_of(plan, index))
    if role == "sub_buffer":
        return read("SubBufferInfo", name_of(plan, param.size.args[0]))
    if role == "fill_color":
        return read("FillColor")
    if role == "argument":
        kernel, number = (other.name for other in plan.function.params[:2])
        return read("Argument", kernel, number, name_of(plan, param.size.args[0]))
    if role == "callback":
        return read("Callback", f"CallId::{plan.function.name}", kind="CallbackRecord* const")
    if role == "data":
        size = _server_bytes(plan, name, param.size)
        if param.size.form != "kBytes":
            size = f"{_given(plan, index)} ? {size} : 0"
        return read("PromisedData", size, kind="Decoder::Promised") if plan.blocking() else read("Data", size)
    if role == "target":
        return (f"  const uint64_t {name}_bytes = {_server_bytes(plan, name, param.size)};\n"
                + f'  const uint64_t {name}_sequence = in.Sequence("{name}", {name}_bytes);\n')
    if role == "mapping":
        return f'  const Mapping* const {name} = in.Unmapped("{name}", {mem_of(plan)});\n'
    if role == "out" and param.size.args:
        return f'  in.CheckCount("{name}", {_given(plan, index)}, {count_of(plan, param)});\n'
    return ""


def _read_checks(plan):
    out = ""
    if host_ptr := host_ptr_of(plan):
        index = plan.function.params.index(host_ptr)
        out += f'  in.HostPointer("{host_ptr.name}", {mem_flags_of(plan)}, {_given(plan, index)});\n'
    return out


def _read_map(plan):
    if not plan.maps():
        return ""
    size = _server_bytes(plan, "mapping", plan.function.returns_size)
    return ('  const uint64_t token = in.MappingToken("mapping");\n'
            + f"  const uint64_t bytes = {size};\n"
            + f"  const bool filled = ({map_flags_of(plan)} & CL_MAP_WRITE_INVALIDATE_REGION) == 0;\n"
            + '  const uint64_t sequence = in.Sequence("mapping", filled ? bytes : 0);\n')


def _rooms(plan):
    """What the driver writes to."""
    out = ""
    for index, param in enumerate(plan.function.params):
        role, name, element = plan.roles[index], param.name, wire_plan.element(param)
        if role == "event":
            out += f"  {element} {name} = nullptr;\n"
        elif role in ("count", "map_pitch"):
            out += f"  {element} {name} = 0;\n"
        elif role == "out":
            out += f"  auto* const {name} = in.OutExactly<{element}>({_given(plan, index)}, {count_of(plan, param)});\n"
        elif role == "new_handles":
            out += f"  auto* const {name} = in.OutExactly<{element}>({_given(plan, index)}, minted_{name}.size());\n"
        elif role == "filled":
            element = wire_plan.countable(param)
            out += f"  auto* const {name} = in.Out<{element}>({_given(plan, index)}, {count_of(plan, param)});\n"
        elif role == "target":
            out += f"  absl::StatusOr<Storage> {name} = in.Room({name}_bytes);\n"
            out += f"  if (!{name}.ok()) return in.Refuse(answer, CL_OUT_OF_HOST_MEMORY);\n"
    return out


def _promise(plan):
    """The parameter whose bytes may still be on their way by the bulk lane when the command is enqueued."""
    return plan.first("mapping") or (plan.first("data") if plan.blocking() else None)


def _waits(plan):
    """A command waits for such bytes as for one more event."""
    promise = _promise(plan)
    if not promise:
        return ""
    queue = next(param.name for param in plan.function.params if param.handle and param.handle.kind == "queue")
    count = next(param for param in plan.function.params if param.name == "num_events_in_wait_list").name
    what = [] if plan.roles[plan.function.params.index(promise)] == "mapping" else [promise.name]
    method = "WaitsFor" if what else "WaitsForWrittenBack"
    return text.call(f"  const Decoder::Waits waits = in.{method}(", what + [queue, count, "event_wait_list"], 6)


def _argument(plan, index):
    """What the driver is given for a parameter."""
    param, role, name = plan.function.params[index], plan.roles[index], plan.function.params[index].name
    params = plan.function.params
    if _promise(plan) and name in ("num_events_in_wait_list", "event_wait_list"):
        return "waits.count" if name.startswith("num") else "waits.events"
    for number, array in plan.params("filled", "new_handles"):
        if array.size.args and array.size.args[0] == index:
            if plan.roles[number] == "new_handles":
                return f"{array.name} == nullptr ? {name} : static_cast<{param.type}>(minted_{array.name}.size())"
            return f"static_cast<{param.type}>(in.OutCount<{wire_plan.countable(array)}>({name}))"
    if param.blocking:
        return "CL_FALSE"
    if role == "gap":
        return "kOrigin" if param.pointer else "0"
    if role == "errcode":
        return "&status"
    if role == "map_pitch":
        return f"&{name}"
    if role == "event":
        return f"&{name}" if plan.blocking() else f"in.EventOut(minted_{name}, &{name})"
    if role == "count":
        number = next(i for i, other in enumerate(params) if other.filled == index)
        return f"(given & {(1 << plan.bits[index]) | (1 << plan.bits[number])}) != 0 ? &{name} : nullptr"
    if role == "callback":
        return f"Trampoline<{param.type}>({name})"
    if role == "user_data":
        return next(other.name for other in params if other.user_data == index)
    if role == "strings":
        return f"reinterpret_cast<{param.type.replace(' **', '**')}>({name}.data)"
    if role == "lengths":
        return next(other.name for other in params if other.each.arg == index) + ".lengths"
    if role == "data":
        if plan.blocking():
            return f"{name}.storage.bytes.get()"
        return name if param.type.startswith("const") else f"const_cast<void*>({name})"
    if role == "target":
        return f"{name}->bytes.get()"
    if role == "mapping":
        return f"{name}->data"
    return name


def _write_filled(plan, index):
    param = plan.function.params[index]
    count = plan.function.params[param.filled].name
    room = f"in.OutCount<{wire_plan.countable(param)}>({name_of(plan, param.size.args[0])})"
    out = f"    answer.Filled({count});\n"
    if plan.roles[index] == "new_handles":
        return out + f"    answer.FilledHandles({kind_of(param)}, {param.name}, minted_{param.name}, {count});\n"
    if param.selector < 0:
        return out + f"    answer.FilledElements({param.name}, {room}, {count});\n"
    arguments = [values_of(plan, index), selector_of(plan, param), param.name, room, count]
    return out + text.call("    answer.Info(", arguments, 16)


def _write_answer(plan):
    out = ""
    for index, param in enumerate(plan.function.params):
        if plan.roles[index] == "out":
            out += f"    answer.Elements({param.name}, {count_of(plan, param)});\n"
        if plan.roles[index] in ("filled", "new_handles"):
            out += _write_filled(plan, index)
    return "  answer.Status(status);\n" + (f"  if (status == CL_SUCCESS) {{\n{out}  }}\n" if out else "")


def _finish(plan):
    """What follows the call of the driver."""
    function = plan.function
    event = plan.first("event")
    if plan.maps():
        mapping = f"Mapping{{{mem_of(plan)}, made, DenseLayout(bytes), {map_flags_of(plan)}}}"
        if function.returns_size.form == "kImageRegion":
            args = ", ".join(name_of(plan, index) for index in function.returns_size.args[1:])
            mapping = f"in.MapOf({mem_of(plan)}, made, {args}, {map_flags_of(plan)})"
        arguments = ["answer", "status", f"minted_{event.name}", event.name, f"{plan.blocking().name} != CL_FALSE", "token",
                     mapping, "sequence"]
        return text.call("  return in.Mapped(", arguments, 19)
    if plan.blocking():
        target, data = plan.first("target"), plan.first("data")
        keep, reply, out = f"std::move({data.name}.storage)" if data else "", "{}", ""
        if target:
            out = (f"  const Reply reply{{{target.name}->bytes.get(), DenseLayout({target.name}_bytes), "
                   f"{target.name}_sequence}};\n")
            keep, reply = f"*std::move({target.name})", "reply"
        arguments = ["answer", "status", f"minted_{event.name}", event.name, f"{plan.blocking().name} != CL_FALSE", keep, reply]
        return out + text.call("  return in.Started(", arguments, 20)
    out = ""
    if function.returns_handle:
        out += f"  in.Made(ValueKind::{text.camel(function.returns_handle.kind)}, minted, made);\n"
    for _, param in plan.params("event"):
        out += f"  in.Made({kind_of(param)}, minted_{param.name}, {param.name});\n"
    if plan.params("mapping"):
        out += "  if (status == CL_SUCCESS) in.EndMapping();\n"
    return out + _write_answer(plan) + "  return Served::kNow;\n"


def _serve_body(plan):
    function, out = plan.function, ""
    if plan.bits:
        out += f"  const uint32_t given = in.Presence({len(plan.bits)}, {plan.required()});\n"
    numbers = range(len(function.params))
    out += "".join(_read_value(plan, index) for index in numbers) + _read_new(plan) + _read_checks(plan)
    out += "".join(_read_data(plan, index) for index in numbers) + _read_map(plan)
    out += "  if (!in.Ready()) return in.Refuse(answer);\n"
    for index, param in plan.params("filled"):
        if "binaries" in param.values.values():
            out += f"  if (KindOf({values_of(plan, index)}, {selector_of(plan, param)}) == ValueKind::kBinaries) {{\n"
            out += f"    answer.Binaries({function.params[0].name}, {_given(plan, index)}, {count_of(plan, param)} / sizeof(void*));\n"
            out += "    return Served::kNow;\n  }\n"
    if function.counts == "release":
        name = function.params[0].name
        return out + (f"  const cl_int status = {name} == nullptr ? CL_SUCCESS : server.api().{function.name}({name});\n"
                      "  answer.Status(status);\n  return Served::kNow;\n")
    out += _rooms(plan)
    result = "const cl_int status"
    if function.returns != "cl_int":
        out += "  cl_int status = CL_SUCCESS;\n"
        result = f"{function.returns.replace(' *', '*')} const made"
    out += _waits(plan)
    out += text.call(f"  {result} = server.api().{function.name}(", [_argument(plan, index) for index in numbers], 6)
    return out + _finish(plan)


def source(spec):
    found = wire_plan.plans(spec)
    out = text.banner(spec) + SERVE
    for plan in found:
        if plan.generated():
            out += f"absl::StatusOr<Served> Serve_{plan.function.name}(Decoder& in, ServerContext& server, Answer& answer) {{\n"
            out += _serve_body(plan) + "}\n\n"
    rows = "".join(f"    {'nullptr' if plan.cannot_cross else '&Serve_' + plan.function.name},\n" for plan in found)
    return out + DISPATCH.replace("@ROWS@", rows)
