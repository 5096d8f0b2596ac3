// The device functions. A program sees the slice: its memory size, and no handle of the driver's.
#include <algorithm>
#include <memory>

#include "generated/opencl/hooks.h"
#include "opencl/info.h"
#include "shim/opencl/device.h"
#include "shim/opencl/driver_info.h"
#include "shim/opencl/extensions.h"

namespace xpool::cl {
namespace {

constexpr cl_device_type kKnownTypes = CL_DEVICE_TYPE_DEFAULT | CL_DEVICE_TYPE_CPU | CL_DEVICE_TYPE_GPU |
                                       CL_DEVICE_TYPE_ACCELERATOR | CL_DEVICE_TYPE_CUSTOM;
constexpr cl_device_info kGlobalFreeMemoryAmd = 0x4039;  // of cl_amd_device_attribute_query: KiB, KiB of one block

auto Query(const Device& device, cl_device_info param) {
  return [&device, param](size_t size, void* value, size_t* size_ret) {
    return device.api->clGetDeviceInfo(device.driver, param, size, value, size_ret);
  };
}

// The driver's value, at most |limit|.
template <typename T>
cl_int Clamped(const Device& device, cl_device_info param, uint64_t limit, const InfoOut& out) {
  T value{};
  const cl_int error = device.api->clGetDeviceInfo(device.driver, param, sizeof(value), &value, nullptr);
  if (error != CL_SUCCESS) return error;
  return out.Value(static_cast<T>(std::min<uint64_t>(value, limit)));
}

// What the slice has left; INVALID_VALUE where the driver does not know the query.
cl_int FreeMemory(const Device& device, const InfoOut& out) {
  std::vector<size_t> sizes = QueryArray<size_t>(Query(device, kGlobalFreeMemoryAmd));
  SliceSession* const session = device.slice();
  if (sizes.empty() || session == nullptr) return CL_INVALID_VALUE;
  const uint64_t limit = session->memory_limit_bytes();
  const uint64_t free_kib = (limit - std::min(limit, session->memory().used_bytes())) / 1024;
  for (size_t& size : sizes) size = std::min<size_t>(size, free_kib);
  return out.Array(sizes);
}

cl_int ExtensionVersions(const Device& device, const InfoOut& out) {
  const auto versions = FilterExtensions(QueryArray<cl_name_version>(Query(device, CL_DEVICE_EXTENSIONS_WITH_VERSION)));
  return versions.empty() ? CL_INVALID_VALUE : out.Array(versions);  // a driver older than 3.0 does not know it
}

cl_int GetInfo(Device& device, cl_device_info param, const InfoOut& out) {
  switch (param) {
    case CL_DEVICE_PLATFORM:
      return out.Value(ToHandle(device.platform));
    case CL_DEVICE_PARENT_DEVICE:
      return out.Value(ToHandle(device.parent.get()));
    case CL_DEVICE_REFERENCE_COUNT:
      return out.Value(cl_uint{device.api_refs.load()});
    case CL_DEVICE_GLOBAL_MEM_SIZE:
      return out.Value(cl_ulong{MemoryLimitBytes(device)});
    case CL_DEVICE_MAX_MEM_ALLOC_SIZE:
      return out.Value(cl_ulong{MaxAllocBytes(device)});
    case CL_DEVICE_MAX_CONSTANT_BUFFER_SIZE:
      return Clamped<cl_ulong>(device, param, MemoryLimitBytes(device), out);
    case CL_DEVICE_MAX_GLOBAL_VARIABLE_SIZE:
    case CL_DEVICE_GLOBAL_VARIABLE_PREFERRED_TOTAL_SIZE:
      return Clamped<size_t>(device, param, MemoryLimitBytes(device), out);
    case kGlobalFreeMemoryAmd:
      return FreeMemory(device, out);
    case CL_DEVICE_EXTENSIONS:
      return out.String(FilterExtensions(QueryString(Query(device, param))));
    case CL_DEVICE_EXTENSIONS_WITH_VERSION:
      return ExtensionVersions(device, out);
    default:
      return device.api->clGetDeviceInfo(device.driver, param, out.size(), out.value(), out.size_ret());
  }
}

// Wraps the driver's new sub-devices; all or none.
std::vector<std::unique_ptr<Device>> Wrap(Device& parent, const std::vector<cl_device_id>& handles) {
  std::vector<std::unique_ptr<Device>> devices;
  for (cl_device_id handle : handles)
    devices.push_back(std::make_unique<Device>(parent.platform, handle, &parent, nullptr));
  return devices;
}

}  // namespace

bool MatchesType(const Device& device, cl_device_type wanted) {
  if (wanted == CL_DEVICE_TYPE_ALL) return (device.type & CL_DEVICE_TYPE_CUSTOM) == 0;
  // The first slice is the default device, whatever the driver thinks of it.
  const bool first = device.platform->devices.front() == &device;
  return ((device.type & wanted) != 0) || (first && (wanted & CL_DEVICE_TYPE_DEFAULT) != 0);
}

bool KnownType(cl_device_type wanted) {
  return wanted == CL_DEVICE_TYPE_ALL || (wanted != 0 && (wanted & ~kKnownTypes) == 0);
}

namespace hook {

cl_int clGetDeviceIDs(cl_platform_id platform, cl_device_type device_type, cl_uint num_entries, cl_device_id* devices,
                      cl_uint* num_devices) {
  const Platform* own = platform == nullptr ? Platform::Current() : Platform::Usable(platform);
  if (own == nullptr) return CL_INVALID_PLATFORM;
  if (!KnownType(device_type)) return CL_INVALID_DEVICE_TYPE;
  if ((num_entries == 0 && devices != nullptr) || (devices == nullptr && num_devices == nullptr)) {
    return CL_INVALID_VALUE;
  }
  cl_uint found = 0;
  for (Device* const device : own->devices) {
    if (!MatchesType(*device, device_type)) continue;
    if (devices != nullptr && found < num_entries) devices[found] = ToHandle(device);
    ++found;
  }
  if (num_devices != nullptr) *num_devices = found;
  return found == 0 ? CL_DEVICE_NOT_FOUND : CL_SUCCESS;
}

cl_int clGetDeviceInfo(cl_device_id device, cl_device_info param_name, size_t param_value_size, void* param_value,
                       size_t* param_value_size_ret) {
  Device* own = FromHandle<Device>(device);
  if (own == nullptr) return CL_INVALID_DEVICE;
  return GetInfo(*own, param_name, InfoOut(param_value_size, param_value, param_value_size_ret));
}

cl_int clCreateSubDevices(cl_device_id in_device, const cl_device_partition_property* properties, cl_uint num_devices,
                          cl_device_id* out_devices, cl_uint* num_devices_ret) {
  Device* parent = FromHandle<Device>(in_device);
  if (parent == nullptr) return CL_INVALID_DEVICE;
  cl_uint count = 0;
  const auto create = parent->api->clCreateSubDevices;
  if (out_devices == nullptr) return create(parent->driver, properties, num_devices, nullptr, num_devices_ret);
  cl_int error = create(parent->driver, properties, 0, nullptr, &count);
  if (error != CL_SUCCESS) return error;
  if (num_devices < count) return CL_INVALID_VALUE;
  std::vector<cl_device_id> handles(count);
  error = create(parent->driver, properties, count, handles.data(), nullptr);
  if (error != CL_SUCCESS) return error;
  for (std::unique_ptr<Device>& device : Wrap(*parent, handles)) *out_devices++ = ToHandle(device.release());
  if (num_devices_ret != nullptr) *num_devices_ret = count;
  return CL_SUCCESS;
}

// A root device is not counted: it is there as long as the platform.
cl_int clRetainDevice(cl_device_id device) {
  const Device* own = FromHandle<Device>(device);
  return own != nullptr && !own->parent ? CL_SUCCESS : RetainHandle<Device>(device);
}

cl_int clReleaseDevice(cl_device_id device) {
  const Device* own = FromHandle<Device>(device);
  return own != nullptr && !own->parent ? CL_SUCCESS : ReleaseHandle<Device>(device);
}

}  // namespace hook
}  // namespace xpool::cl
