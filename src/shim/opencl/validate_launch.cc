#include "shim/opencl/validate_launch.h"

namespace xpool::cl {
namespace {

cl_int CheckGlobal(const DeviceLimits& device, cl_uint work_dim, const size_t* offset, const size_t* global) {
  const size_t most = device.address_bits >= 64 ? SIZE_MAX : (size_t{1} << device.address_bits) - 1;
  if (global == nullptr) return device.zero_work_sizes ? CL_SUCCESS : CL_INVALID_GLOBAL_WORK_SIZE;
  for (cl_uint i = 0; i < work_dim; ++i) {
    if (global[i] > most || (global[i] == 0 && !device.zero_work_sizes)) return CL_INVALID_GLOBAL_WORK_SIZE;
    if (offset != nullptr && offset[i] > most - global[i]) return CL_INVALID_GLOBAL_OFFSET;
  }
  return CL_SUCCESS;
}

cl_int CheckLocal(const DeviceLimits& device, const KernelLimits& kernel, cl_uint work_dim, const size_t* global,
                  const size_t* local) {
  const bool required = kernel.required_group_size[0] != 0;
  size_t items = 1;
  for (cl_uint i = 0; i < work_dim; ++i) {
    if (local[i] == 0) return CL_INVALID_WORK_GROUP_SIZE;
    if (local[i] > device.work_item_sizes[i]) return CL_INVALID_WORK_ITEM_SIZE;
    if (local[i] > SIZE_MAX / items) return CL_INVALID_WORK_GROUP_SIZE;
    items *= local[i];
    const bool divides = global == nullptr || global[i] % local[i] == 0;
    if (!divides && (!device.non_uniform_work_groups || required)) return CL_INVALID_WORK_GROUP_SIZE;
    if (required && local[i] != kernel.required_group_size[i]) return CL_INVALID_WORK_GROUP_SIZE;
  }
  const bool fits = items <= device.work_group_size && items <= kernel.work_group_size;
  return fits ? CL_SUCCESS : CL_INVALID_WORK_GROUP_SIZE;
}

}  // namespace

cl_int CheckLaunch(const DeviceLimits& device, const KernelLimits& kernel, cl_uint work_dim,
                   const size_t* global_work_offset, const size_t* global_work_size, const size_t* local_work_size) {
  if (work_dim < 1 || work_dim > device.work_dimensions || work_dim > 3) return CL_INVALID_WORK_DIMENSION;
  const cl_int status = CheckGlobal(device, work_dim, global_work_offset, global_work_size);
  if (status != CL_SUCCESS || local_work_size == nullptr) return status;
  return CheckLocal(device, kernel, work_dim, global_work_size, local_work_size);
}

}  // namespace xpool::cl
