#include "shim/opencl/device.h"

#include <algorithm>

#include "generated/opencl/dispatch_table.h"
#include "shim/opencl/driver_info.h"

namespace xpool::cl {

Device::Device(Platform* platform, cl_device_id driver, Device* parent, SliceSession* remote)
    : Object(kKind),
      platform(platform),
      api(platform->api),
      driver(driver),
      parent(parent),
      remote_slice(parent != nullptr ? parent->remote_slice : remote) {
  const auto query = [&](cl_device_info param) {
    return [this, param](size_t size, void* value, size_t* size_ret) {
      return api->clGetDeviceInfo(this->driver, param, size, value, size_ret);
    };
  };
  type = QueryValue<cl_device_type>(query(CL_DEVICE_TYPE), CL_DEVICE_TYPE_DEFAULT);
  max_alloc_bytes = QueryValue<cl_ulong>(query(CL_DEVICE_MAX_MEM_ALLOC_SIZE), 0);
}

Device::~Device() {
  if (parent && OfThisProcess(*this)) api->clReleaseDevice(driver);
}

uint64_t MemoryLimitBytes(const Device& device) {
  const SliceSession* const slice = device.slice();
  return slice == nullptr ? 0 : slice->memory_limit_bytes();
}

uint64_t MaxAllocBytes(const Device& device) { return std::min(device.max_alloc_bytes, MemoryLimitBytes(device)); }

}  // namespace xpool::cl
