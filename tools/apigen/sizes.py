"""Size expressions of the API spec: how much is behind a pointer. The grammar is in the header of api/opencl.toml."""

import re
from dataclasses import dataclass

# Form of a size expression -> (C++ enumerator, kinds of its arguments). "count" is a number or a parameter's value.
FUNCTIONS = {
    "rect": ("kRect", 4),
    "image_region": ("kImageRegion", 4),
    "image_data": ("kImageData", 2),
    "image_rows": ("kImageRows", 4),
    "image_slices": ("kImageSlices", 6),
    "fill_color": ("kFillColor", 1),
    "sub_buffer_info": ("kSubBufferInfo", 1),
}
WORDS = {
    "string": "kString",
    "property_list": "kPropertyList",
    "partition_list": "kPartitionList",
    "opaque": "kOpaque",
}
EACH_WORDS = {"string": "kString", "opaque": "kOpaque"}


class SizeError(ValueError):
    """A size expression that the grammar does not know, or that names a parameter the call lacks."""


@dataclass(frozen=True)
class Size:
    """A parsed size expression. |args| are indices of parameters; |count| is a literal number of elements."""

    form: str = "kNone"
    args: tuple = ()
    count: int = 0


@dataclass(frozen=True)
class Each:
    """What the elements of an array of pointers point to. |arg| is the index of the array of lengths, or -1."""

    form: str = "kNone"
    arg: int = -1


def _index(name, names, text):
    if name not in names:
        raise SizeError(f'size "{text}" names "{name}", which is no parameter of this function; it has: {", ".join(names)}')
    return names.index(name)


def parse_size(text, names):
    """The Size for |text| in a call whose parameters are |names|."""
    if text in WORDS:
        return Size(WORDS[text])
    if re.fullmatch(r"\d+", text):
        return Size("kElements", count=int(text))
    if match := re.fullmatch(r"(\w+) bytes", text):
        return Size("kBytes", (_index(match[1], names, text),))
    if match := re.fullmatch(r"(\w+)\(([\w, ]*)\)", text):
        if match[1] not in FUNCTIONS:
            raise SizeError(f'size "{text}": no form "{match[1]}"; there are {", ".join(sorted(FUNCTIONS))}')
        form, arity = FUNCTIONS[match[1]]
        args = [arg.strip() for arg in match[2].split(",") if arg.strip()]
        if len(args) != arity:
            raise SizeError(f'size "{text}": {match[1]} takes {arity} parameters, not {len(args)}')
        return Size(form, tuple(_index(arg, names, text) for arg in args))
    if re.fullmatch(r"\w+", text):
        return Size("kElements", (_index(text, names, text),))
    raise SizeError(f'size "{text}" is not understood; the grammar is in the header of the spec')


def parse_each(text, names):
    """The Each for |text|: "string", "opaque", "lengths bytes" or "string or lengths bytes"."""
    if text in EACH_WORDS:
        return Each(EACH_WORDS[text])
    if match := re.fullmatch(r"(string or )?(\w+) bytes", text):
        return Each("kStringOrBytes" if match[1] else "kBytes", _index(match[2], names, text))
    raise SizeError(f'each "{text}" is not understood: "string", "opaque", "LENGTHS bytes" or "string or LENGTHS bytes"')
