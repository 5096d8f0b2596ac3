"""Emits hooks.h: the declarations of the functions of the shim that are written by hand."""

import text

HEADER = """\
// The functions of the shim that are written by hand (handler = "hook" in api/{api}.toml): each has the signature of the C
// function that it stands for. Called from the entry points, on the program's thread, with the program's arguments
// untouched. Handles are the shim's own (FromHandle<T>). A hook may throw std::bad_alloc: the entry point turns anything
// thrown into CL_OUT_OF_HOST_MEMORY, so hooks are not noexcept.
//
// Generated entirely, in entry_points.cc, so not here:
{generated}//
// Extension names of a core function call the same hook:
{aliases}#pragma once

#include "generated/opencl/dispatch_table.h"

namespace xpool::cl::hook {{

"""


def _comment(names):
    return text.wrap("//   ", names, "", 0).replace("\n", "\n//   ").removesuffix("//   ") if names else "//   none\n"


def header(spec):
    generated = [function.name for function in spec.own() if function.handler == "generated"]
    aliases = [f"{f.name} = {f.alias}" for f in spec.functions if f.alias and spec.by_name(f.alias).handler == "hook"]
    out = text.banner(spec) + HEADER.format(api=spec.api, generated=_comment(generated), aliases=_comment(aliases))
    for function in spec.own():
        if function.handler == "hook":
            out += text.signature(function, function.name)
    return out + "\n}  // namespace xpool::cl::hook\n"
