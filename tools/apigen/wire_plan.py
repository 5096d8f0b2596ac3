"""How each call of a spec travels: the role of every parameter, whether the client waits for an answer, and which calls
cannot cross. docs/decisions/0009-wire-codec.md is the prose. emit_wire.py turns plans into C++."""

from dataclasses import dataclass, field

import text
from spec import SpecError

# Calls that return when work is done, without a parameter that says so.
WAITS = ("clFinish", "clWaitForEvents", "clBuildProgram", "clCompileProgram", "clLinkProgram")
# The address of a mapping is the client's; it crosses as the mapping's token.
MAPPINGS = {("clEnqueueUnmapMemObject", "mapped_ptr")}
# Calls on shared virtual memory name addresses that mean the same on both sides, and what travels with them depends on
# which memory is shared: src/wire_opencl/svm_calls.h encodes and serves them.
BY_HAND = (
    "clSVMAlloc", "clSVMFree", "clSetKernelArgSVMPointer", "clSetKernelExecInfo", "clEnqueueSVMFree",
    "clEnqueueSVMMemcpy", "clEnqueueSVMMemFill", "clEnqueueSVMMap", "clEnqueueSVMUnmap", "clEnqueueSVMMigrateMem",
)
# Callbacks that are work to do, not news.
CODE = ("NativeKernel",)
STRUCTS = {"cl_image_format": "image_format", "cl_image_desc": "image_desc"}
# Forms whose bytes are the program's memory: they may be large, and have gaps that do not travel. The parameters that
# describe the gaps, by their place in the size expression: of a transfer they stay at home, of a creation they travel as
# 0 when there are bytes.
LAYOUTS = {
    "kBytes": (), "kRect": (0, 2, 3), "kImageRegion": (2, 3), "kImageData": (), "kImageRows": (3,), "kImageSlices": (4, 5),
}
TRANSFERS = ("kRect", "kImageRegion")
FORMS = {
    "kString": "string", "kPropertyList": "properties", "kPartitionList": "partition", "kSubBufferInfo": "sub_buffer",
    "kFillColor": "fill_color", "kElements": "elements",
}
# Roles that have a presence bit.
POINTERS = {
    "callback", "handles", "event", "new_handles", "count", "filled", "out", "target", "string", "strings", "lengths",
    "properties", "partition", "sub_buffer", "fill_color", "elements", "argument", "image_format", "image_desc", "data",
}


class WireError(SpecError):
    """A parameter that no rule here covers: the codec needs a new one."""


@dataclass
class Plan:
    function: object
    roles: list  # by parameter
    cannot_cross: str = ""
    by_hand: bool = False
    answers: str = "kNever"
    bits: dict = field(default_factory=dict)  # parameter -> presence bit

    def params(self, *roles):
        """(index, parameter) of those with one of |roles|."""
        return [(i, p) for i, p in enumerate(self.function.params) if self.roles[i] in roles]

    def first(self, *roles):
        found = self.params(*roles)
        return found[0][1] if found else None

    def generated(self):
        """Whether its codec is emitted."""
        return not self.cannot_cross and not self.by_hand

    def maps(self):
        return self.function.returns_size.form in ("kBytes", "kImageRegion")

    def blocking(self):
        return next((p for p in self.function.params if p.blocking), None)

    def required(self):
        """The presence bits of what may not be NULL."""
        return sum(1 << bit for index, bit in self.bits.items() if not self.function.params[index].optional)


def plan(function):
    """The Plan of |function|."""
    roles = [_role(function, index) for index in range(len(function.params))]
    reason = _cannot_cross(function, roles)
    if reason:
        return Plan(function, roles, reason)
    if function.name in BY_HAND:
        return Plan(function, roles, by_hand=True, answers=_answers(function, roles))
    for index, role in enumerate(roles):
        if role is None:
            param = function.params[index]
            raise WireError(f"{function.name}({param.name}): no rule in wire_plan.py says how it travels")
    tracked = [index for index, role in enumerate(roles) if role in POINTERS]
    return Plan(function, roles, answers=_answers(function, roles), bits={index: bit for bit, index in enumerate(tracked)})


def _cannot_cross(function, roles):
    if function.counts == "retain":
        return "references are counted in the program's process"
    if function.name in BY_HAND:
        return ""
    if function.returns_size.form == "kOpaque":
        return "it returns an address in the program's process"
    for param, role in zip(function.params, roles):
        if param.type in CODE:
            return f"{param.name} is code of the program's process"
        if role == "address":
            return f"{param.name} is an address in the program's process"
    return ""


def _answers(function, roles):
    if function.policy == "query" or function.name in WAITS or function.returns_size.form == "kOpaque":
        return "kAlways"
    if "target" in roles:
        return "kAlways"
    if any(param.blocking for param in function.params):
        return "kIfData" if function.returns_size.form in LAYOUTS else "kIfBlocking"
    asked = [param for param, role in zip(function.params, roles) if role in ("out", "filled", "count", "new_handles")]
    if any(not param.optional for param in asked):
        return "kAlways"
    return "kIfAsked" if asked else "kNever"


def _gaps(function):
    """Index -> form, of the parameters that describe gaps in the program's memory."""
    sized = [param.size for param in function.params] + [function.returns_size]
    return {size.args[place]: size.form for size in sized for place in LAYOUTS.get(size.form, ())}


def _role(function, index):
    """The role of a parameter, or None if no rule covers it."""
    param = function.params[index]
    if param.callback:
        return "callback"
    if any(other.user_data == index for other in function.params):
        return "user_data"
    if index in _gaps(function):
        if param.dir != "in":
            return "map_pitch"
        return "gap" if _gaps(function)[index] in TRANSFERS else "packed_pitch"
    if not param.pointer:
        return "handle" if param.handle else "value"
    if param.name == "errcode_ret":
        return "errcode"
    if param.dir == "out":
        return _out_role(function, index)
    if param.dir == "inout":
        return None
    return _in_role(function, index)


def _out_role(function, index):
    param = function.params[index]
    if any(other.filled == index for other in function.params):
        return "count"
    if param.handle:
        return "event" if param.filled < 0 and param.handle.kind == "event" and param.size.count == 1 else "new_handles"
    if param.filled >= 0:
        return "filled"
    if param.size.form == "kElements":
        return "out"
    return "target" if param.size.form in LAYOUTS else None


def _in_role(function, index):
    param = function.params[index]
    if (function.name, param.name) in MAPPINGS:
        return "mapping"
    if param.size.form == "kOpaque" or param.each.form == "kOpaque":
        return "address"
    if param.handle:
        return "handles"
    if param.each.form != "kNone":
        return "strings"
    if any(other.each.arg == index for other in function.params):
        return "lengths"
    if param.argument:
        return "argument"
    struct = STRUCTS.get(element(param))
    if struct or param.size.form in FORMS:
        return struct or FORMS[param.size.form]
    return "data" if param.size.form in LAYOUTS else None


def element(param):
    """The C type behind a pointer."""
    return param.type.removesuffix("*").replace("const ", "").strip()


def plans(spec):
    """The plan of every call, by ID."""
    return [plan(function) for function in sorted(spec.own(), key=lambda function: function.id)]


def countable(param):
    """The C type of which |param|'s elements are counted: of what has no type, bytes."""
    return "char" if element(param) == "void" else element(param)


def kind_of(param):
    return f"ValueKind::{text.camel(param.handle.kind)}"


def name_of(plan, index):
    return plan.function.params[index].name


def count_of(plan, param):
    """How many elements |param| has, as an expression."""
    return name_of(plan, param.size.args[0]) if param.size.args else str(param.size.count)


def limit_of(plan, param):
    """The further argument that bounds the number of |param|'s elements."""
    return ", kMaxWorkDimensions" if count_of(plan, param) == "work_dim" else ""


def values_of(plan, index):
    return f"ValuesOf(CallId::{plan.function.name}, {index})"


def selector_of(plan, param):
    return f"static_cast<uint64_t>({name_of(plan, param.selector)})"


def mem_of(plan):
    """The memory object that a call is about."""
    return next(param.name for param in plan.function.params if param.handle and param.handle.kind == "mem")


def map_flags_of(plan):
    return next(param.name for param in plan.function.params if param.type == "cl_map_flags")


def mem_flags_of(plan):
    return next(param.name for param in plan.function.params if param.type == "cl_mem_flags")


def host_ptr_of(plan):
    """The initial data of an object that is created, or None."""
    found = [param for _, param in plan.params("data") if param.name == "host_ptr"]
    return found[0] if found else None
