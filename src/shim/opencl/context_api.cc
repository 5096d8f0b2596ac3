// The context functions.
#include <algorithm>

#include "generated/opencl/hooks.h"
#include "opencl/info.h"
#include "shim/opencl/context.h"
#include "shim/opencl/result.h"

namespace xpool::cl {
namespace {

// The driver's version of a property list: its own platform instead of ours.
cl_int TranslateProperties(const std::vector<cl_context_properties>& properties,
                           std::vector<cl_context_properties>* translated) {
  *translated = properties;
  for (size_t i = 0; i + 1 < translated->size(); i += 2) {
    for (size_t j = 0; j < i; j += 2) {
      if ((*translated)[j] == (*translated)[i]) return CL_INVALID_PROPERTY;
    }
    if ((*translated)[i] != CL_CONTEXT_PLATFORM) continue;
    const Platform* platform = FromHandle<Platform>(reinterpret_cast<cl_platform_id>((*translated)[i + 1]));
    if (platform == nullptr) return CL_INVALID_PLATFORM;
    (*translated)[i + 1] = reinterpret_cast<cl_context_properties>(platform->driver);
  }
  return CL_SUCCESS;
}

// The program's devices, repeats left out as the specification has it.
bool CollectDevices(cl_uint count, const cl_device_id* handles, std::vector<Ref<Device>>* devices) {
  for (cl_uint i = 0; i < count; ++i) {
    Device* device = FromHandle<Device>(handles[i]);
    if (device == nullptr) return false;
    const bool repeated =
        std::any_of(devices->begin(), devices->end(), [&](const Ref<Device>& d) { return d.get() == device; });
    if (!repeated) devices->emplace_back(device);
  }
  return true;
}

cl_context Create(const cl_context_properties* properties, std::vector<Ref<Device>> devices, ContextCallback pfn_notify,
                  void* user_data, cl_int* errcode_ret) {
  std::vector<cl_context_properties> own = CopyProperties(properties), translated;
  if (const cl_int error = TranslateProperties(own, &translated); error != CL_SUCCESS) return Fail(errcode_ret, error);
  for (const Ref<Device>& device : devices) {
    if (device->slice() == nullptr || !UsableDevice(*device)) return Fail(errcode_ret, CL_DEVICE_NOT_AVAILABLE);
  }
  const DispatchTable* api = devices.front()->api;
  std::vector<cl_device_id> handles;
  for (const Ref<Device>& device : devices) handles.push_back(device->driver);
  cl_int error = CL_SUCCESS;
  // The callback gets no handle, so it goes to the driver as it is.
  cl_context driver =
      api->clCreateContext(translated.empty() ? nullptr : translated.data(), static_cast<cl_uint>(handles.size()),
                           handles.data(), pfn_notify, user_data, &error);
  if (driver == nullptr) return Fail(errcode_ret, error);
  return Succeed(errcode_ret, new Context(api, driver, std::move(devices), std::move(own)));
}

std::vector<cl_device_id> DeviceHandles(const Context& context) {
  std::vector<cl_device_id> handles;
  for (const Ref<Device>& device : context.devices) handles.push_back(ToHandle(device.get()));
  return handles;
}

}  // namespace

namespace hook {

cl_context clCreateContext(const cl_context_properties* properties, cl_uint num_devices, const cl_device_id* devices,
                           ContextCallback pfn_notify, void* user_data, cl_int* errcode_ret) {
  if (num_devices == 0 || devices == nullptr || (pfn_notify == nullptr && user_data != nullptr)) {
    return Fail(errcode_ret, CL_INVALID_VALUE);
  }
  std::vector<Ref<Device>> own;
  if (!CollectDevices(num_devices, devices, &own)) return Fail(errcode_ret, CL_INVALID_DEVICE);
  return Create(properties, std::move(own), pfn_notify, user_data, errcode_ret);
}

cl_context clCreateContextFromType(const cl_context_properties* properties, cl_device_type device_type,
                                   ContextCallback pfn_notify, void* user_data, cl_int* errcode_ret) {
  if (pfn_notify == nullptr && user_data != nullptr) return Fail(errcode_ret, CL_INVALID_VALUE);
  const Platform* platform = Platform::Current();
  if (platform == nullptr) return Fail(errcode_ret, CL_INVALID_PLATFORM);
  if (!KnownType(device_type)) return Fail(errcode_ret, CL_INVALID_DEVICE_TYPE);
  std::vector<Ref<Device>> devices;
  for (Device* const device : platform->devices) {
    if (MatchesType(*device, device_type)) devices.emplace_back(device);
  }
  if (devices.empty()) return Fail(errcode_ret, CL_DEVICE_NOT_FOUND);
  return Create(properties, std::move(devices), pfn_notify, user_data, errcode_ret);
}

cl_int clGetContextInfo(cl_context context, cl_context_info param_name, size_t param_value_size, void* param_value,
                        size_t* param_value_size_ret) {
  const Context* own = FromHandle<Context>(context);
  if (own == nullptr) return CL_INVALID_CONTEXT;
  const InfoOut out(param_value_size, param_value, param_value_size_ret);
  switch (param_name) {
    case CL_CONTEXT_REFERENCE_COUNT:
      return out.Value(cl_uint{own->api_refs.load()});
    case CL_CONTEXT_NUM_DEVICES:
      return out.Value(static_cast<cl_uint>(own->devices.size()));
    case CL_CONTEXT_DEVICES:
      return out.Array(DeviceHandles(*own));
    case CL_CONTEXT_PROPERTIES:
      return out.Array(own->properties);
    default:
      return CL_INVALID_VALUE;
  }
}

cl_int clSetContextDestructorCallback(cl_context context, ContextDestructorCallback pfn_notify, void* user_data) {
  Context* own = FromHandle<Context>(context);
  if (own == nullptr) return CL_INVALID_CONTEXT;
  if (pfn_notify == nullptr) return CL_INVALID_VALUE;
  MutexLock lock(&own->mutex);
  own->destructor_callbacks.emplace_back(pfn_notify, user_data);
  return CL_SUCCESS;
}

}  // namespace hook
}  // namespace xpool::cl
