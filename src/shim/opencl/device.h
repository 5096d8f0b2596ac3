// The slice as a device, and its sub-devices. The root device lives as long as the process and is not counted;
// sub-devices are counted like everything else. Immutable after creation.
#pragma once

#include <vector>

#include "shim/opencl/object.h"
#include "shim/opencl/platform.h"

namespace xpool::cl {

struct Device : Object {
  static constexpr Kind kKind = Kind::kDevice;
  using Handle = cl_device_id;
  static constexpr cl_int kInvalid = CL_INVALID_DEVICE;

  Device(Platform* platform, cl_device_id driver, Device* parent);
  ~Device();

  Platform* const platform;
  const DispatchTable* const api;
  const cl_device_id driver;
  const Ref<Device> parent;  // empty for the root device
  cl_device_type type = 0;
  uint64_t max_alloc_bytes = 0;  // the driver's
};

// The slice's memory as of now; 0 when the session is gone.
uint64_t MemoryLimitBytes();

// What one allocation may have at most: the driver's maximum, clamped to the slice's memory as of now.
uint64_t MaxAllocBytes(const Device& device);

// clGetDeviceIDs' and clCreateContextFromType's device_type: whether it means |device|, and whether it is one at all.
bool MatchesType(const Device& device, cl_device_type wanted);
bool KnownType(cl_device_type wanted);

}  // namespace xpool::cl
