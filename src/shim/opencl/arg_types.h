// Finds out what the arguments of a kernel take: by clGetKernelArgInfo where the driver has it, else by probing a
// scratch kernel that nobody else uses. Called once when a kernel is made.
#pragma once

#include <string_view>
#include <vector>

#include "generated/opencl/dispatch_table.h"
#include "shim/opencl/kernel.h"

namespace xpool::cl {

// For each argument of |kernel|, which |name| of |program| made in |api|'s driver.
std::vector<ArgTakes> FindArgTypes(const DispatchTable& api, cl_program program, cl_kernel kernel, const char* name);

// What clGetKernelArgInfo says means.
ArgTakes TakesByInfo(cl_kernel_arg_address_qualifier address, std::string_view type_name);

}  // namespace xpool::cl
