// Platforms, devices and contexts.

#include <algorithm>

#include "backend/remote/callback_thread.h"
#include "backend/remote/calls.h"
#include "backend/remote/platform.h"
#include "base/status.h"

namespace xpool::remote {

using wire_cl::CallId;

namespace {

InfoMemory& PlatformInfo() {
  static InfoMemory& memory = *new InfoMemory;
  return memory;
}

cl_int CL_API_CALL GetPlatformInfo(cl_platform_id platform, cl_platform_info param, size_t size, void* value,
                                   size_t* size_ret) {
  ClLink* const link = From<RemotePlatform>(platform)->link(0);
  return Remembered(
      &PlatformInfo(), InfoKey(CallId::clGetPlatformInfo, param), size, value, size_ret,
      [&](size_t n, void* v, size_t* r) { return XPOOL_ASK(link, {}, clGetPlatformInfo, platform, param, n, v, r); });
}

cl_int CL_API_CALL UnloadPlatformCompiler(cl_platform_id) { return CL_SUCCESS; }

cl_int CL_API_CALL GetDeviceIds(cl_platform_id platform, cl_device_type, cl_uint count, cl_device_id* devices,
                                cl_uint* found) {
  const std::vector<Device*>& own = From<RemotePlatform>(platform)->devices();
  if (found != nullptr) *found = static_cast<cl_uint>(own.size());
  for (size_t i = 0; devices != nullptr && i < std::min<size_t>(count, own.size()); ++i)
    devices[i] = To<cl_device_id>(own[i]);
  return CL_SUCCESS;
}

// What cannot cross is not offered: code of the program's, and memory that host and device see at the same time.
void MaskCapabilities(cl_device_info param, InfoMemory::Bytes* bytes) {
  cl_bitfield flags = 0;
  if (bytes->size() != sizeof(flags)) return;
  std::memcpy(&flags, bytes->data(), sizeof(flags));
  if (param == CL_DEVICE_EXECUTION_CAPABILITIES) flags &= ~cl_bitfield{CL_EXEC_NATIVE_KERNEL};
  if (param == CL_DEVICE_SVM_CAPABILITIES) flags &= cl_bitfield{CL_DEVICE_SVM_COARSE_GRAIN_BUFFER};
  std::memcpy(bytes->data(), &flags, sizeof(flags));
}

cl_int CL_API_CALL GetDeviceInfo(cl_device_id device, cl_device_info param, size_t size, void* value,
                                 size_t* size_ret) {
  Device* const own = From<Device>(device);
  return Remembered(
      &own->info, InfoKey(CallId::clGetDeviceInfo, param), size, value, size_ret, [&](size_t n, void* v, size_t* r) {
        const cl_int status = XPOOL_ASK(own->link, {}, clGetDeviceInfo, device, param, n, v, r);
        const bool masked = param == CL_DEVICE_EXECUTION_CAPABILITIES || param == CL_DEVICE_SVM_CAPABILITIES;
        if (status != CL_SUCCESS || v == nullptr || !masked) return status;
        auto* const data = static_cast<unsigned char*>(v);
        InfoMemory::Bytes bytes(data, data + sizeof(cl_bitfield));
        MaskCapabilities(param, &bytes);
        std::copy(bytes.begin(), bytes.end(), data);
        return status;
      });
}

cl_int CL_API_CALL CreateSubDevices(cl_device_id device, const cl_device_partition_property* properties, cl_uint count,
                                    cl_device_id* devices, cl_uint* count_ret) {
  Device* const own = From<Device>(device);
  if (devices == nullptr)
    return XPOOL_ASK(own->link, {}, clCreateSubDevices, device, properties, count, devices, count_ret);
  std::vector<Object*> made;
  for (cl_uint i = 0; i < count; ++i) made.push_back(new Device(own->platform, own->link, own));
  CallOptions options;
  options.makes = made;
  cl_uint found = 0;
  const cl_int status = XPOOL_ASK(own->link, options, clCreateSubDevices, device, properties, count, devices, &found);
  if (count_ret != nullptr && status == CL_SUCCESS) *count_ret = found;
  // The worker has not heard of those for which there was no device.
  for (cl_uint i = status == CL_SUCCESS ? std::min(found, count) : 0; i < count; ++i) {
    own->link->Abandon(made[i]);
    Unref(made[i]);
  }
  return status;
}

cl_int CL_API_CALL GetDeviceAndHostTimer(cl_device_id device, cl_ulong* device_time, cl_ulong* host_time) {
  return XPOOL_ASK(From<Device>(device)->link, {}, clGetDeviceAndHostTimer, device, device_time, host_time);
}

cl_int CL_API_CALL GetHostTimer(cl_device_id device, cl_ulong* host_time) {
  return XPOOL_ASK(From<Device>(device)->link, {}, clGetHostTimer, device, host_time);
}

// A context has a part on every node that one of its devices is on, with those devices.
cl_context CL_API_CALL CreateContext(const cl_context_properties* properties, cl_uint count,
                                     const cl_device_id* devices, cl::ContextCallback notify, void* user_data,
                                     cl_int* errcode_ret) {
  auto* const context = new Context;
  for (cl_uint i = 0; i < count; ++i) {
    Device* const device = From<Device>(devices[i]);
    context->devices.push_back(device);
    if (std::find(context->links.begin(), context->links.end(), device->link) == context->links.end())
      context->links.push_back(device->link);
  }
  if (context->links.size() > Residency::kMostNodes)
    return Return<cl_context>(context, CL_OUT_OF_RESOURCES, errcode_ret);
  const cl_int status = MakeOn(context->links, context, [&](ClLink* link, CallOptions& options) {
    std::vector<cl_device_id> on_link;
    for (Device* const device : context->devices) {
      if (device->link == link) on_link.push_back(To<cl_device_id>(device));
    }
    if (notify != nullptr) {
      options.token = link->NewToken(
          [notify, user_data](const wire_cl::Fired& fired) { notify(fired.message.c_str(), nullptr, 0, user_data); },
          ClLink::Fires::kAlways);
      context->callback_tokens.push_back(options.token);
    }
    return XPOOL_ASK(link, options, clCreateContext, properties, static_cast<cl_uint>(on_link.size()), on_link.data(),
                     notify, user_data, nullptr);
  });
  return Return<cl_context>(context, status, errcode_ret);
}

cl_int CL_API_CALL ReleaseContext(cl_context context) { return Release(From<Context>(context)); }
cl_int CL_API_CALL RetainContext(cl_context context) { return Retain(From<Context>(context)); }
cl_int CL_API_CALL ReleaseDevice(cl_device_id device) {
  return From<Device>(device)->parent == nullptr ? CL_SUCCESS : Release(From<Device>(device));
}

}  // namespace

void FillPlatformCalls(cl::DispatchTable* table) {
  table->clGetPlatformInfo = &GetPlatformInfo;
  table->clUnloadPlatformCompiler = &UnloadPlatformCompiler;
  table->clGetDeviceIDs = &GetDeviceIds;
  table->clGetDeviceInfo = &GetDeviceInfo;
  table->clCreateSubDevices = &CreateSubDevices;
  table->clReleaseDevice = &ReleaseDevice;
  table->clGetDeviceAndHostTimer = &GetDeviceAndHostTimer;
  table->clGetHostTimer = &GetHostTimer;
  table->clCreateContext = &CreateContext;
  table->clRetainContext = &RetainContext;
  table->clReleaseContext = &ReleaseContext;
}

absl::StatusOr<RemotePlatform*> RemotePlatform::Create(std::vector<std::unique_ptr<ClLink>> links) {
  auto* const platform = new RemotePlatform;  // as are the links, for good
  platform->links_ = std::move(links);
  for (const std::unique_ptr<ClLink>& link : platform->links_) {
    Object* platforms[] = {platform};
    CallOptions options;
    options.makes = platforms;
    cl_platform_id id = nullptr;
    cl_uint found = 0;
    cl_int status = XPOOL_ASK(link, options, clGetPlatformIDs, 1, &id, &found);
    auto* const device = new Device(platform, link.get(), nullptr);
    Object* devices[] = {device};
    options.makes = devices;
    cl_device_id device_id = nullptr;
    if (status == CL_SUCCESS)
      status = XPOOL_ASK(link, options, clGetDeviceIDs, platform->id(), CL_DEVICE_TYPE_ALL, 1, &device_id, &found);
    if (status != CL_SUCCESS || device_id == nullptr) {
      return absl::UnavailableError(absl::StrCat("the worker at ", link->link().Describe(),
                                                 " has no device (OpenCL error ", status,
                                                 "); `xpool events` on that node says why"));
    }
    platform->devices_.push_back(device);
  }
  return platform;
}

void RemotePlatform::Leave() {
  for (const std::unique_ptr<ClLink>& link : links_) link->link().Leave();
}

const cl::DispatchTable& RemotePlatform::Api() {
  static const cl::DispatchTable& table = *[] {
    auto* const filled = new cl::DispatchTable;
    FillPlatformCalls(filled);
    FillQueueCalls(filled);
    FillMemoryCalls(filled);
    FillProgramCalls(filled);
    FillKernelCalls(filled);
    FillTransferCalls(filled);
    FillMapCalls(filled);
    FillCommandCalls(filled);
    FillSvmCalls(filled);
    cl::FillGaps(filled);
    return filled;
  }();
  return table;
}

}  // namespace xpool::remote
