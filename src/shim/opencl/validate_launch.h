// Whether a kernel launch is valid, with the error codes of clEnqueueNDRangeKernel. For launches that are recorded:
// what goes straight to the driver is checked there. Pure.
#pragma once

#include <CL/cl.h>

#include <array>
#include <cstddef>

#include "shim/opencl/validate_limits.h"

namespace xpool::cl {

// What the kernel allows on the queue's device.
struct KernelLimits {
  size_t work_group_size = 0;                   // CL_KERNEL_WORK_GROUP_SIZE
  std::array<size_t, 3> required_group_size{};  // reqd_work_group_size; all zero when not declared
};

cl_int CheckLaunch(const DeviceLimits& device, const KernelLimits& kernel, cl_uint work_dim,
                   const size_t* global_work_offset, const size_t* global_work_size, const size_t* local_work_size);

}  // namespace xpool::cl
