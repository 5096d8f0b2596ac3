#include "shim/opencl/validate_limits.h"

#include <algorithm>
#include <cstdio>

#include "generated/opencl/dispatch_table.h"
#include "shim/opencl/driver_info.h"

namespace xpool::cl {

DeviceLimits QueryDeviceLimits(const DispatchTable& api, cl_device_id driver_device) {
  const auto query = [&](cl_device_info name) {
    return [&api, driver_device, name](size_t size, void* value, size_t* size_ret) {
      return api.clGetDeviceInfo(driver_device, name, size, value, size_ret);
    };
  };
  DeviceLimits limits;
  limits.work_dimensions = QueryValue<cl_uint>(query(CL_DEVICE_MAX_WORK_ITEM_DIMENSIONS), 3);
  limits.work_item_sizes.fill(SIZE_MAX);
  const std::vector<size_t> sizes = QueryArray<size_t>(query(CL_DEVICE_MAX_WORK_ITEM_SIZES));
  std::copy_n(sizes.begin(), std::min<size_t>(sizes.size(), 3), limits.work_item_sizes.begin());
  limits.work_group_size = QueryValue<size_t>(query(CL_DEVICE_MAX_WORK_GROUP_SIZE), SIZE_MAX);
  limits.address_bits = QueryValue<cl_uint>(query(CL_DEVICE_ADDRESS_BITS), 64);
  unsigned major = 1, minor = 0;
  std::sscanf(QueryString(query(CL_DEVICE_VERSION)).c_str(), "OpenCL %u.%u", &major, &minor);
  limits.zero_work_sizes = major > 2 || (major == 2 && minor >= 1);
  const bool version_2 = major == 2;
  limits.non_uniform_work_groups =
      version_2 || QueryValue<cl_bool>(query(CL_DEVICE_NON_UNIFORM_WORK_GROUP_SUPPORT), CL_FALSE) == CL_TRUE;
  limits.base_align_bytes = std::max<size_t>(QueryValue<cl_uint>(query(CL_DEVICE_MEM_BASE_ADDR_ALIGN), 8) / 8, 1);
  limits.images = QueryValue<cl_bool>(query(CL_DEVICE_IMAGE_SUPPORT), CL_FALSE) == CL_TRUE;
  const auto capabilities = QueryValue<cl_device_exec_capabilities>(query(CL_DEVICE_EXECUTION_CAPABILITIES), 0);
  limits.native_kernels = (capabilities & CL_EXEC_NATIVE_KERNEL) != 0;
  return limits;
}

}  // namespace xpool::cl
