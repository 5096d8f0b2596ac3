#include "worker/describe.h"

#include <vector>

#include "shim/opencl/arg_types.h"
#include "shim/opencl/driver_info.h"
#include "shim/opencl/kernel.h"

namespace xpool::worker {
namespace {

using wire_cl::ArgSheet;

static_assert(static_cast<int>(ArgSheet::Takes::kBytes) == static_cast<int>(cl::ArgTakes::kBytes));
static_assert(static_cast<int>(ArgSheet::Takes::kMaybeNotPointer) == static_cast<int>(cl::ArgTakes::kMaybeNotPointer));

ArgSheet DescribeArg(const cl::DispatchTable& api, cl_kernel kernel, cl_uint index, cl::ArgTakes takes) {
  const auto query = [&](cl_kernel_arg_info param) {
    return [&api, kernel, index, param](size_t size, void* value, size_t* size_ret) {
      return api.clGetKernelArgInfo(kernel, index, param, size, value, size_ret);
    };
  };
  ArgSheet arg;
  arg.takes = static_cast<ArgSheet::Takes>(takes);
  arg.address = cl::QueryValue<cl_kernel_arg_address_qualifier>(query(CL_KERNEL_ARG_ADDRESS_QUALIFIER), 0);
  arg.access = cl::QueryValue<cl_kernel_arg_access_qualifier>(query(CL_KERNEL_ARG_ACCESS_QUALIFIER), 0);
  arg.type_qualifier = cl::QueryValue<cl_kernel_arg_type_qualifier>(query(CL_KERNEL_ARG_TYPE_QUALIFIER), 0);
  arg.type_name = cl::QueryString(query(CL_KERNEL_ARG_TYPE_NAME));
  arg.name = cl::QueryString(query(CL_KERNEL_ARG_NAME));
  arg.has_info = arg.address != 0 && arg.access != 0 && !arg.type_name.empty() && !arg.name.empty();
  return arg;
}

}  // namespace

wire_cl::ProgramSheet DescribeProgram(const cl::DispatchTable& api, cl_program program) {
  cl_uint count = 0;
  if (api.clCreateKernelsInProgram(program, 0, nullptr, &count) != CL_SUCCESS) return {};
  std::vector<cl_kernel> kernels(count);
  if (count > 0 && api.clCreateKernelsInProgram(program, count, kernels.data(), nullptr) != CL_SUCCESS) return {};
  wire_cl::ProgramSheet sheet;
  sheet.complete = true;
  for (const cl_kernel kernel : kernels) {
    wire_cl::KernelSheet& described = sheet.kernels.emplace_back();
    described.name = cl::QueryString([&](size_t size, void* value, size_t* size_ret) {
      return api.clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, size, value, size_ret);
    });
    const std::vector<cl::ArgTakes> takes = cl::FindArgTypes(api, program, kernel, described.name.c_str());
    for (cl_uint i = 0; i < takes.size(); ++i) described.args.push_back(DescribeArg(api, kernel, i, takes[i]));
    api.clReleaseKernel(kernel);
  }
  return sheet;
}

bool ArgumentTakesBytes(cl_kernel kernel, cl_uint index) {
  const cl::Kernel* const own = cl::UsableKernel(kernel);
  if (own == nullptr || index >= own->takes.size()) return true;
  const cl::ArgTakes takes = own->takes[index];
  return takes != cl::ArgTakes::kMem && takes != cl::ArgTakes::kSampler && takes != cl::ArgTakes::kQueue;
}

}  // namespace xpool::worker
