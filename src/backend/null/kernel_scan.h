// Finds the kernels in OpenCL C source: names, and the arguments' types as clGetKernelArgInfo tells them. A scan, not a
// compiler: comments are skipped, macros are not expanded.
#pragma once

#include <CL/cl.h>

#include <string>
#include <string_view>
#include <vector>

namespace xpool::null_cl {

struct KernelArg {
  enum class Takes { kValue, kMem, kLocal, kSampler };

  Takes takes = Takes::kValue;
  size_t size = 0;  // of a value; 0 where the type is not a built-in one, so any size goes
  std::string type;
  std::string name;
  cl_kernel_arg_address_qualifier address = CL_KERNEL_ARG_ADDRESS_PRIVATE;
  cl_kernel_arg_access_qualifier access = CL_KERNEL_ARG_ACCESS_NONE;
  cl_kernel_arg_type_qualifier qualifier = CL_KERNEL_ARG_TYPE_NONE;
};

struct KernelSignature {
  std::string name;
  std::vector<KernelArg> args;
};

std::vector<KernelSignature> ScanKernels(std::string_view source);

}  // namespace xpool::null_cl
