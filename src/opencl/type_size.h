// How many bytes a kernel argument of an OpenCL C type takes, by its name as clGetKernelArgInfo gives it. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace xpool {

// Of a scalar or vector type ("float", "uint", "unsigned int", "int4"); nullopt for anything else, such as a type that
// the program has defined. Vectors of 3 take the place of 4 (OpenCL C specification, 6.3.5).
std::optional<size_t> TypeBytes(std::string_view name);

}  // namespace xpool
