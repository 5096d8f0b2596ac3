// A slice as a device, and its sub-devices. A root device lives as long as the process and is not counted;
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

  // |remote|: the slice on another node, nullptr for this machine's. A sub-device is in its parent's.
  Device(Platform* platform, cl_device_id driver, Device* parent, SliceSession* remote);
  ~Device();

  // The slice; nullptr when it can be had no more.
  SliceSession* slice() const { return remote_slice != nullptr ? remote_slice : CurrentSession(); }

  Platform* const platform;
  const DispatchTable* const api;
  const cl_device_id driver;
  const Ref<Device> parent;  // empty for a root device
  SliceSession* const remote_slice;
  cl_device_type type = 0;
  uint64_t max_alloc_bytes = 0;  // the driver's
};

// The slice's memory as of now; 0 when the session is gone.
uint64_t MemoryLimitBytes(const Device& device);

// What one allocation may have at most: the driver's maximum, clamped to the slice's memory as of now.
uint64_t MaxAllocBytes(const Device& device);

// Whether this process can use |device|: a slice on another node is connected to the process that got it.
inline bool UsableDevice(const Device& device) { return device.remote_slice == nullptr || OfThisProcess(device); }

// clGetDeviceIDs' and clCreateContextFromType's device_type: whether it means |device|, and whether it is one at all.
bool MatchesType(const Device& device, cl_device_type wanted);
bool KnownType(cl_device_type wanted);

}  // namespace xpool::cl
