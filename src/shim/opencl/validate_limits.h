// What a device allows, as far as enqueue calls depend on it. Asked once per queue; immutable.
#pragma once

#include <CL/cl.h>

#include <array>
#include <cstddef>

namespace xpool::cl {

struct DispatchTable;

struct DeviceLimits {
  cl_uint work_dimensions = 3;
  std::array<size_t, 3> work_item_sizes{};
  size_t work_group_size = 0;
  cl_uint address_bits = 64;
  bool non_uniform_work_groups = false;  // global sizes need not be multiples of local sizes
  bool zero_work_sizes = false;          // a launch of nothing is valid (OpenCL 2.1 on)
  size_t base_align_bytes = 1;           // of sub-buffer origins
  bool images = false;
  bool native_kernels = false;
};

DeviceLimits QueryDeviceLimits(const DispatchTable& api, cl_device_id driver_device);

}  // namespace xpool::cl
