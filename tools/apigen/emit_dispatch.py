"""Emits dispatch_table.h and dispatch_table.cc: the driver's functions as a typed table, and how it is filled."""

import text

HEADER = """\
// The driver behind an object, as a table: every core and extension function that xpool calls. Local driver, remote client
// and null driver all fill one. A function that the driver lacks answers CL_INVALID_OPERATION (or NULL), so callers need
// no test for null pointers. Filled once, then immutable; any thread may read it.
#pragma once

#include <CL/cl.h>
#include <CL/cl_ext.h>

#include <cstdint>

namespace xpool::cl {

"""

FILL = """\
  // One bit for each call ID: the driver itself has the function.
  uint64_t provided[{words}] = {{}};
}};

// Fills |table| from the driver that owns |platform|: from its ICD dispatch table as far as the platform's version says
// that it reaches, else by name from clGetExtensionFunctionAddressForPlatform and |get_address|, the driver's own
// clGetExtensionFunctionAddress (may be NULL). REQUIRES: |platform| came from the driver's clIcdGetPlatformIDsKHR.
void FillDispatchTable(cl_platform_id platform, void*(CL_API_CALL* get_address)(const char* name),
                       DispatchTable* table);

// Completes a table whose functions were set one by one: those that were not are such as the driver lacks.
void FillGaps(DispatchTable* table);

// Whether the driver has the function with |call_id| (call_info.h) itself.
inline bool Provides(const DispatchTable& table, uint32_t call_id) {{
  return call_id / 64 < {words} && ((table.provided[call_id / 64] >> (call_id % 64)) & 1) != 0;
}}

}}  // namespace xpool::cl
"""

SOURCE = """\
#include "generated/opencl/dispatch_table.h"

#include <CL/cl_icd.h>

#include <cstdlib>
#include <string>

namespace xpool::cl {
namespace {

// Stands in for a function that the driver lacks.
template <typename Function>
struct Missing;

template <typename... Args>
struct Missing<cl_int(CL_API_CALL*)(Args...)> {
  static cl_int CL_API_CALL Call(Args...) { return CL_INVALID_OPERATION; }
};

template <typename... Args>
struct Missing<void(CL_API_CALL*)(Args...)> {
  static void CL_API_CALL Call(Args...) {}
};

void SetError(cl_int* errcode_ret) {
  if (errcode_ret != nullptr) *errcode_ret = CL_INVALID_OPERATION;
}
template <typename First>
void SetError(First) {}
template <typename First, typename Second, typename... Rest>
void SetError(First, Second second, Rest... rest) {
  SetError(second, rest...);
}

template <typename Result, typename... Args>
struct Missing<Result*(CL_API_CALL*)(Args...)> {
  static Result* CL_API_CALL Call(Args... args) {
    SetError(args...);
    return nullptr;
  }
};

template <typename Function>
void FillGap(Function* entry, uint32_t id, DispatchTable* table) {
  if (*entry != nullptr) {
    table->provided[id / 64] |= uint64_t{1} << (id % 64);
  } else {
    *entry = &Missing<Function>::Call;
  }
}

// 120 for a platform that says "OpenCL 1.2 ...".
int PlatformVersion(const cl_icd_dispatch& icd, cl_platform_id platform) {
  char version[256] = {};
  if (icd.clGetPlatformInfo(platform, CL_PLATFORM_VERSION, sizeof(version) - 1, version, nullptr) != CL_SUCCESS) return 100;
  char* rest = nullptr;
  const std::string text(version);
  if (text.rfind("OpenCL ", 0) != 0) return 100;
  const long major = std::strtol(text.c_str() + 7, &rest, 10);
  const long minor = *rest == '.' ? std::strtol(rest + 1, nullptr, 10) : 0;
  return static_cast<int>(major * 100 + minor * 10);
}

class Filler {
 public:
  Filler(cl_platform_id platform, void*(CL_API_CALL* get_address)(const char*), DispatchTable* table)
      : platform_(platform),
        icd_(**reinterpret_cast<const cl_icd_dispatch* const*>(platform)),
        version_(PlatformVersion(icd_, platform)),
        get_address_(get_address),
        table_(table) {}

  const cl_icd_dispatch& icd() const { return icd_; }

  // The slot of the ICD table if the driver's version reaches so far; reading further would leave an older table.
  template <typename Function>
  void FromIcd(Function* entry, uint32_t id, int since, Function cl_icd_dispatch::*slot) {
    if (since <= version_) Set(entry, id, icd_.*slot);
  }

  // By name, unless there already.
  template <typename Function>
  void FromName(Function* entry, uint32_t id, const char* name) {
    if (*entry == nullptr) Set(entry, id, reinterpret_cast<Function>(Find(name)));
  }

  template <typename Function>
  void Default(Function* entry) {
    if (*entry == nullptr) *entry = &Missing<Function>::Call;
  }

 private:
  template <typename Function>
  void Set(Function* entry, uint32_t id, Function function) {
    if (function == nullptr) return;
    *entry = function;
    table_->provided[id / 64] |= uint64_t{1} << (id % 64);
  }

  void* Find(const char* name) const {
    void* function = nullptr;
    if (version_ >= 120 && icd_.clGetExtensionFunctionAddressForPlatform != nullptr) {
      function = icd_.clGetExtensionFunctionAddressForPlatform(platform_, name);
    }
    return function == nullptr && get_address_ != nullptr ? get_address_(name) : function;
  }

  cl_platform_id platform_;
  const cl_icd_dispatch& icd_;
  int version_;
  void*(CL_API_CALL* get_address_)(const char*);
  DispatchTable* table_;
};

"""

# In the spec, for programs and loaders, but no slot of the ICD table and never called through a DispatchTable.
_CHECK = "static_assert(std::is_same_v<decltype(DispatchTable::{name}), decltype(&::{name})>);\n"


def in_icd(function, slots):
    return function.name in slots


def callbacks(spec):
    out = "// Function pointers that programs pass in.\n"
    for name, params in spec.callbacks.items():
        arguments = ", ".join(param.replace(" *", "*").replace("* ", "* ") for param in params)
        out += f"using {name} = void(CL_CALLBACK*)({arguments});\n"
    return out + "\n"


def header(spec):
    out = text.banner(spec) + HEADER + callbacks(spec) + "struct DispatchTable {\n"
    for function in spec.own():
        head = f"  {function.returns.replace(' *', '*')}(CL_API_CALL* {function.name})("
        out += text.wrap(head, [param.declare() for param in function.params], ") = nullptr;", 6)
    words = max(function.id for function in spec.functions) // 64 + 1
    return out + "\n" + FILL.format(words=words)


def fill_groups(spec, slots):
    """Lines that fill the table, in functions of at most 40 functions each."""
    groups, own = [], spec.own()
    for start in range(0, len(own), 40):
        lines = ""
        for function in own[start:start + 40]:
            entry = f"&table.{function.name}, {function.id}"
            if in_icd(function, slots):
                lines += f"  fill.FromIcd({entry}, {function.version()}, &cl_icd_dispatch::{function.name});\n"
            for name in [function.name] + [a.name for a in spec.functions if a.alias == function.name]:
                lines += f'  fill.FromName({entry}, "{name}");\n'
            lines += f"  fill.Default(&table.{function.name});\n"
        groups.append(lines)
    return groups


def source(spec, slots):
    out = text.banner(spec) + SOURCE.replace("#include <string>\n", "#include <string>\n#include <type_traits>\n")
    out += "// The spec says what the OpenCL headers say.\n"
    for function in spec.own():
        out += _CHECK.format(name=function.name)
    out += "\n"
    groups = fill_groups(spec, slots)
    for number, lines in enumerate(groups, 1):
        out += f"void FillPart{number}(Filler& fill, DispatchTable& table) {{\n{lines}}}\n\n"
    out += "}  // namespace\n\n"
    out += "void FillDispatchTable(cl_platform_id platform, void*(CL_API_CALL* get_address)(const char* name),\n"
    out += "                       DispatchTable* table) {\n  *table = DispatchTable();\n"
    out += "  Filler fill(platform, get_address, table);\n"
    for number in range(1, len(groups) + 1):
        out += f"  FillPart{number}(fill, *table);\n"
    out += "}\n\nvoid FillGaps(DispatchTable* table) {\n"
    out += "".join(f"  FillGap(&table->{function.name}, {function.id}, table);\n" for function in spec.own())
    return out + "}\n\n}  // namespace xpool::cl\n"
