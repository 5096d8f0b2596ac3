"""Emits call_info.h and call_info.cc: what the spec says about each call, as constant data."""

import text

HEADER = """\
// What the API spec says about each call, as data: from it calls are traced, checked and sent to other nodes, without a
// second description of the API. Constant; any thread may read it.
#pragma once

#include <CL/cl.h>

#include <cstdint>
#include <span>
#include <string_view>

namespace xpool::cl {

// A call's ID on the wire; see api/call_ids.lock. An extension's name for a core function shares that function's ID.
enum class CallId : uint32_t {
@IDS@};

inline constexpr uint32_t kMaxCallId = @MAX@;

enum class CallClass : uint8_t { kQuery, kCreate, kDestroy, kLaunch, kTransfer, kSync, kSet };
enum class CallCounts : uint8_t { kNothing, kRetain, kRelease };
enum class Direction : uint8_t { kIn, kOut, kInOut };

// What a value, an element behind a pointer, or a queried value is. Up to kEvent: a handle.
enum class ValueKind : uint8_t {
  kNone,
@KINDS@  kPropertyList,  // key and value pairs up to a key of 0, with the handles that the creating call's info names
  kAddress,       // of host memory: meaningful in the caller's process only
  kBinaries,      // an array of pointers that the caller filled in, written through
};

// How much is behind a pointer. |arg| are the indices of parameters; -1 where there is none.
enum class SizeForm : uint8_t {
  kNone,           // no pointer
  kElements,       // |count|, or the value of arg[0], elements
  kBytes,          // the value of arg[0] bytes
  kString,         // up to and with the NUL
  kPropertyList,   // key and value pairs up to a key of 0
  kPartitionList,  // a partition of clCreateSubDevices with its own terminator, then 0
  kRect,           // origin, region, row pitch, slice pitch
  kImageRegion,    // image, region, row pitch, slice pitch
  kImageData,      // image format, image descriptor
  kImageRows,      // image format, width, height, row pitch
  kImageSlices,    // image format, width, height, depth, row pitch, slice pitch
  kFillColor,      // image: 16 bytes, or 4 for a depth image
  kSubBufferInfo,  // buffer create type
  kOpaque,         // an address that is not followed
};

// What each element of an array of pointers points to.
enum class EachForm : uint8_t { kNone, kString, kBytes, kStringOrBytes, kOpaque };

struct SizeExpr {
  SizeForm form = SizeForm::kNone;
  int8_t arg[6] = {-1, -1, -1, -1, -1, -1};
  uint32_t count = 0;
};

// A handle (or address) inside the bytes behind a pointer, by the enum that selects it: the value of the selecting
// parameter, or the key in a property list.
struct InnerValue {
  uint64_t selector;
  ValueKind kind;
};

// A handle inside a struct.
struct InnerField {
  uint32_t offset;
  ValueKind kind;
};

struct ParamInfo {
  std::string_view name;
  std::string_view type;        // as in C
  uint32_t bytes = 0;           // of the value, or of one element behind the pointer (1 for void)
  ValueKind handle = ValueKind::kNone;  // of the value, or of each element behind the pointer
  Direction direction = Direction::kIn;
  bool pointer = false;
  bool callback = false;
  bool optional = false;        // may be NULL
  bool blocking = false;        // if true at run time, the call returns when its work is done
  bool argument = false;        // the bytes of a kernel argument: a handle if the kernel says so
  SizeExpr size;
  EachForm each = EachForm::kNone;
  int8_t each_lengths = -1;     // the parameter with the lengths of the elements
  int8_t filled = -1;           // the out parameter that says how much there was
  int8_t user_data = -1;        // of a callback
  int8_t selector = -1;         // the parameter that selects from |values|
  std::span<const InnerValue> values;
  std::span<const InnerField> fields;
};

struct CallInfo {
  CallId id;
  std::string_view name;
  uint32_t since;  // 120 for OpenCL 1.2
  CallClass call_class;
  CallCounts counts;
  std::string_view returns;  // C type
  ValueKind returns_handle;
  SizeExpr returns_size;
  std::span<const ParamInfo> params;
};

// Ordered by ID; the entry of ID n is at n - 1. IDs that are no longer in use have an empty name.
std::span<const CallInfo> AllCalls();

// nullptr when there is no such call.
const CallInfo* FindCall(uint32_t id);
const CallInfo* FindCall(std::string_view name);

}  // namespace xpool::cl
"""

TAIL = """\
constexpr CallInfo kCalls[] = {
@CALLS@};
static_assert(std::size(kCalls) == kMaxCallId);

}  // namespace

std::span<const CallInfo> AllCalls() { return kCalls; }

const CallInfo* FindCall(uint32_t id) {
  return id >= 1 && id <= kMaxCallId && !kCalls[id - 1].name.empty() ? &kCalls[id - 1] : nullptr;
}

const CallInfo* FindCall(std::string_view name) {
  for (const CallInfo& call : kCalls) {
    if (!name.empty() && call.name == name) return &call;
  }
  return nullptr;
}

}  // namespace xpool::cl
"""


def header(spec):
    ids = "".join(f"  {f.name} = {f.id},\n" for f in sorted(spec.own(), key=lambda f: f.id))
    kinds = "".join(f"  {text.camel(handle.kind)},\n" for handle in spec.handles.values())
    out = HEADER.replace("@IDS@", ids).replace("@KINDS@", kinds).replace("@MAX@", str(_max_id(spec)))
    return text.banner(spec) + out


def _max_id(spec):
    return max(function.id for function in spec.functions)


def _size(size):
    args = ", ".join(str(arg) for arg in size.args)
    arg = f", .arg = {{{args}{', ' * bool(args)}{', '.join(['-1'] * (6 - len(size.args)))}}}" if size.args else ""
    count = f", .count = {size.count}" if size.count else ""
    return f"{{.form = SizeForm::{size.form}{arg}{count}}}"


def _element(param):
    """The C++ type whose size is ParamInfo::bytes."""
    if not param.pointer:
        return param.type
    element = param.type.removesuffix("*").strip()
    return "char" if element in ("void", "const void") else element


def _param(param, function):
    parts = [f'.name = "{param.name}"', f'.type = "{param.type}"', f".bytes = sizeof({_element(param)})"]
    if param.handle:
        parts.append(f".handle = ValueKind::{text.camel(param.handle.kind)}")
    if param.dir != "in":
        parts.append(f".direction = Direction::{'kOut' if param.dir == 'out' else 'kInOut'}")
    parts += [f".{flag} = true" for flag in ("pointer", "callback", "optional", "blocking", "argument")
              if getattr(param, flag)]
    if param.pointer:
        parts.append(f".size = {_size(param.size)}")
    if param.each.form != "kNone":
        parts.append(f".each = EachForm::{param.each.form}")
    parts += [f".{name} = {value}" for name, value in (("each_lengths", param.each.arg), ("filled", param.filled),
                                                       ("user_data", param.user_data), ("selector", param.selector))
              if value >= 0]
    for what in ("values", "fields"):
        if getattr(param, what):
            parts.append(f".{what} = {_inner_name(what, param, function)}")
    return text.wrap("    {", parts, "},", 5)


def _inner_name(what, param, function):
    return f"k{what.capitalize()}_{function.name}_{param.name}"


def _inner(param, function):
    """The arrays that a parameter's info points to."""
    out = ""
    if param.values:
        rows = [f"{{{enum}, ValueKind::{text.camel(kind)}}}" for enum, kind in param.values.items()]
        out += text.wrap(f"constexpr InnerValue {_inner_name('values', param, function)}[] = {{", rows, "};", 4)
    if param.fields:
        struct = param.type.removesuffix("*").replace("const ", "").strip()
        rows = [f"{{offsetof({struct}, {name}), ValueKind::{text.camel(kind)}}}" for name, kind in param.fields.items()]
        out += text.wrap(f"constexpr InnerField {_inner_name('fields', param, function)}[] = {{", rows, "};", 4)
    return out


def _call(function):
    counts = {"": "kNothing", "retain": "kRetain", "release": "kRelease"}[function.counts]
    handle = text.camel(function.returns_handle.kind) if function.returns_handle else "kNone"
    params = f"kParams_{function.name}" if function.params else "{}"
    return text.wrap("    {", [
        f"CallId::{function.name}", f'"{function.name}"', str(function.version()),
        f"CallClass::{text.camel(function.policy)}", f"CallCounts::{counts}", f'"{function.returns}"',
        f"ValueKind::{handle}", _size(function.returns_size), params], "},", 5)


def source(spec):
    out = text.banner(spec) + (
        '#include "generated/opencl/call_info.h"\n\n#include <cstddef>\n#include <iterator>\n\n'
        '#include "generated/opencl/dispatch_table.h"\n\nnamespace xpool::cl {\nnamespace {\n\n')
    for function in spec.own():
        for param in function.params:
            out += _inner(param, function)
        if function.params:
            out += f"constexpr ParamInfo kParams_{function.name}[] = {{\n"
            out += "".join(_param(param, function) for param in function.params) + "};\n"
    by_id = {function.id: function for function in spec.own()}
    calls = ""
    for call_id in range(1, _max_id(spec) + 1):
        calls += _call(by_id[call_id]) if call_id in by_id else f"    {{CallId({call_id})}},\n"
    return out + "\n" + TAIL.replace("@CALLS@", calls)
