#include "device/probe.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <vector>

#include "backend/local/driver.h"
#include "base/status.h"
#include "device/xpu_info.h"

namespace xpool {
namespace {

std::string PlatformText(const local::DriverPlatform& platform, cl_platform_info what) {
  char text[512] = {};
  const cl_int error = platform.api.clGetPlatformInfo(platform.id, what, sizeof(text) - 1, text, nullptr);
  return error == CL_SUCCESS ? text : "";
}

std::string DeviceText(const cl::DispatchTable& api, cl_device_id device, cl_device_info what) {
  char text[512] = {};
  const cl_int error = api.clGetDeviceInfo(device, what, sizeof(text) - 1, text, nullptr);
  return error == CL_SUCCESS ? text : "";
}

template <typename Value>
Value DeviceValue(const cl::DispatchTable& api, cl_device_id device, cl_device_info what) {
  Value value{};
  const cl_int error = api.clGetDeviceInfo(device, what, sizeof(value), &value, nullptr);
  return error == CL_SUCCESS ? value : Value{};
}

constexpr size_t kMaxDevices = 64;

const char* TypeName(cl_device_type type) {
  if (type & CL_DEVICE_TYPE_CPU) return "CPU";
  if (type & CL_DEVICE_TYPE_GPU) return "GPU";
  return "ACCELERATOR";
}

XpuInfo Describe(const local::DriverPlatform& platform, cl_device_id device) {
  const cl::DispatchTable& api = platform.api;
  XpuInfo xpu;
  xpu.name = DeviceText(api, device, CL_DEVICE_NAME);
  xpu.vendor = DeviceText(api, device, CL_DEVICE_VENDOR);
  xpu.driver_version = DeviceText(api, device, CL_DRIVER_VERSION);
  xpu.platform_name = PlatformText(platform, CL_PLATFORM_NAME);
  xpu.type = TypeName(DeviceValue<cl_device_type>(api, device, CL_DEVICE_TYPE));
  xpu.compute_units = DeviceValue<cl_uint>(api, device, CL_DEVICE_MAX_COMPUTE_UNITS);
  xpu.memory_bytes = DeviceValue<cl_ulong>(api, device, CL_DEVICE_GLOBAL_MEM_SIZE);
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
  const absl::StatusOr<std::unique_ptr<local::Driver>> driver = local::Driver::Load(library);
  if (absl::IsUnavailable(driver.status())) return absl::OkStatus();  // a driver without a platform: no devices
  if (!driver.ok()) return driver.status();
  const std::vector<local::DriverPlatform>& platforms = (*driver)->platforms();
  for (uint32_t p = 0; p < platforms.size(); ++p) {
    const std::vector<cl_device_id> devices = local::ListDevices(platforms[p]);
    for (uint32_t d = 0; d < std::min<size_t>(devices.size(), kMaxDevices); ++d) {
      XpuInfo xpu = Describe(platforms[p], devices[d]);
      xpu.driver_library = library;
      xpu.platform_index = p;
      xpu.device_index = d;
      RETURN_IF_ERROR(WriteLine(report_fd, ToJsonLine(xpu)));
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
