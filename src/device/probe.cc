#include "device/probe.h"

#include <CL/cl_icd.h>
#include <dlfcn.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <vector>

#include "base/status.h"
#include "device/xpu_info.h"

// Every ICD object starts with its driver's dispatch table (cl_khr_icd).
struct _cl_platform_id {
  cl_icd_dispatch* dispatch;
};
struct _cl_device_id {
  cl_icd_dispatch* dispatch;
};

namespace xpool {
namespace {

constexpr cl_uint kMaxPlatforms = 16;
constexpr cl_uint kMaxDevices = 64;

absl::StatusOr<std::vector<cl_platform_id>> LoadPlatforms(const std::string& library) {
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return absl::NotFoundError(absl::StrCat("cannot load ", library, ": ", dlerror()));
  auto* get_extension = reinterpret_cast<void* (*)(const char*)>(dlsym(handle, "clGetExtensionFunctionAddress"));
  void* entry = get_extension != nullptr ? get_extension("clIcdGetPlatformIDsKHR") : nullptr;
  if (entry == nullptr) entry = dlsym(handle, "clIcdGetPlatformIDsKHR");
  if (entry == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(library, " offers no clIcdGetPlatformIDsKHR: no ICD driver"));
  }
  auto* get_platforms = reinterpret_cast<clIcdGetPlatformIDsKHR_fn>(entry);
  std::vector<cl_platform_id> platforms(kMaxPlatforms);
  cl_uint count = 0;
  const cl_int error = get_platforms(kMaxPlatforms, platforms.data(), &count);
  if (error == CL_PLATFORM_NOT_FOUND_KHR)
    count = 0;
  else if (error != CL_SUCCESS)
    return absl::InternalError(absl::StrCat(library, ": clIcdGetPlatformIDsKHR failed with error ", error));
  platforms.resize(std::min(count, kMaxPlatforms));
  return platforms;
}

std::string PlatformText(cl_platform_id platform, cl_platform_info what) {
  char text[512] = {};
  const cl_int error = platform->dispatch->clGetPlatformInfo(platform, what, sizeof(text) - 1, text, nullptr);
  return error == CL_SUCCESS ? text : "";
}

std::string DeviceText(cl_device_id device, cl_device_info what) {
  char text[512] = {};
  const cl_int error = device->dispatch->clGetDeviceInfo(device, what, sizeof(text) - 1, text, nullptr);
  return error == CL_SUCCESS ? text : "";
}

template <typename Value>
Value DeviceValue(cl_device_id device, cl_device_info what) {
  Value value{};
  const cl_int error = device->dispatch->clGetDeviceInfo(device, what, sizeof(value), &value, nullptr);
  return error == CL_SUCCESS ? value : Value{};
}

const char* TypeName(cl_device_type type) {
  if (type & CL_DEVICE_TYPE_CPU) return "CPU";
  if (type & CL_DEVICE_TYPE_GPU) return "GPU";
  return "ACCELERATOR";
}

XpuInfo Describe(const std::string& library, cl_platform_id platform, uint32_t platform_index, cl_device_id device,
                 uint32_t device_index) {
  XpuInfo xpu;
  xpu.name = DeviceText(device, CL_DEVICE_NAME);
  xpu.vendor = DeviceText(device, CL_DEVICE_VENDOR);
  xpu.driver_version = DeviceText(device, CL_DRIVER_VERSION);
  xpu.platform_name = PlatformText(platform, CL_PLATFORM_NAME);
  xpu.driver_library = library;
  xpu.platform_index = platform_index;
  xpu.device_index = device_index;
  xpu.type = TypeName(DeviceValue<cl_device_type>(device, CL_DEVICE_TYPE));
  xpu.compute_units = DeviceValue<cl_uint>(device, CL_DEVICE_MAX_COMPUTE_UNITS);
  xpu.memory_bytes = DeviceValue<cl_ulong>(device, CL_DEVICE_GLOBAL_MEM_SIZE);
  return xpu;
}

absl::Status WriteLine(int fd, std::string line) {
  line += '\n';
  for (size_t done = 0; done < line.size();) {
    const ssize_t written = write(fd, line.data() + done, line.size() - done);
    if (written < 0) return ErrnoStatus("write the device report");
    done += static_cast<size_t>(written);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ProbeDriver(const std::string& library, int report_fd) {
  ASSIGN_OR_RETURN(const std::vector<cl_platform_id> platforms, LoadPlatforms(library));
  for (uint32_t p = 0; p < platforms.size(); ++p) {
    std::vector<cl_device_id> devices(kMaxDevices);
    cl_uint count = 0;
    const cl_int error =
        platforms[p]->dispatch->clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, kMaxDevices, devices.data(), &count);
    if (error == CL_DEVICE_NOT_FOUND) continue;
    if (error != CL_SUCCESS) {
      return absl::InternalError(absl::StrCat(library, ": clGetDeviceIDs failed with error ", error));
    }
    for (uint32_t d = 0; d < std::min(count, kMaxDevices); ++d) {
      RETURN_IF_ERROR(WriteLine(report_fd, ToJsonLine(Describe(library, platforms[p], p, devices[d], d))));
    }
  }
  return absl::OkStatus();
}

int ProbeMain(const std::string& library) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const absl::Status status = ProbeDriver(library, kProbeReportFd);
  if (!status.ok()) fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  fflush(nullptr);
  _exit(status.ok() ? 0 : 1);  // no driver destructor runs: some hang there
}

}  // namespace xpool
