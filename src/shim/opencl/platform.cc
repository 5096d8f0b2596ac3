#include "shim/opencl/platform.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "backend/local/driver.h"
#include "base/mutex.h"
#include "base/status.h"
#include "generated/opencl/dispatch_table.h"
#include "shim/opencl/device.h"
#include "shim/opencl/driver_info.h"
#include "shim/opencl/extensions.h"
#include "shim/opencl/remote_slice.h"
#include "slice/session.h"

namespace xpool::cl {
namespace {

std::atomic<Platform*> current_platform{nullptr};

std::string DeviceName(const DispatchTable& api, cl_device_id device) {
  return QueryString([&](size_t size, void* value, size_t* size_ret) {
    return api.clGetDeviceInfo(device, CL_DEVICE_NAME, size, value, size_ret);
  });
}

absl::Status Changed(const SliceInfo& info, const std::string& what) {
  return absl::FailedPreconditionError(absl::StrCat("XPU ", info.xpu_id, " is '", info.device_name, "' on ",
                                                    info.driver_library, ", but ", what,
                                                    "; restart the agent so that it discovers the devices again"));
}

// The driver's device that the agent's Welcome names. The protocol cuts names to 255 bytes.
absl::StatusOr<cl_device_id> FindDevice(const local::DriverPlatform& platform, const SliceInfo& info) {
  const std::vector<cl_device_id> devices = local::ListDevices(platform);
  if (info.device_index >= devices.size()) {
    return Changed(info, absl::StrCat("the driver now has ", devices.size(), " devices"));
  }
  const std::string name = DeviceName(platform.api, devices[info.device_index]);
  if (name.substr(0, 255) != info.device_name.substr(0, 255))
    return Changed(info, absl::StrCat("it is now '", name, "'"));
  return devices[info.device_index];
}

absl::StatusOr<Platform*> MakeLocal(const SliceInfo& info) {
  ASSIGN_OR_RETURN(std::unique_ptr<local::Driver> library, local::Driver::Load(info.driver_library));
  if (info.platform_index >= library->platforms().size()) {
    return Changed(info, absl::StrCat("the driver now has ", library->platforms().size(), " platforms"));
  }
  const local::DriverPlatform& found = library->platforms()[info.platform_index];
  ASSIGN_OR_RETURN(const cl_device_id device, FindDevice(found, info));
  auto* platform = new Platform(&found.api, found.id, /*remote=*/false);
  platform->devices.push_back(new Device(platform, device, nullptr, nullptr));
  static_cast<void>(library.release());  // a driver is never unloaded
  return platform;
}

absl::StatusOr<Platform*> MakeRemote() {
  ASSIGN_OR_RETURN(const RemoteSlices remote, AttachRemoteSlices());
  auto* platform = new Platform(&remote.driver->api(), remote.driver->platform(), /*remote=*/true);
  for (size_t i = 0; i < remote.slices.size(); ++i) {
    platform->devices.push_back(new Device(platform, remote.driver->slice(i)->device(), nullptr, remote.slices[i]));
  }
  return platform;
}

void Complain(const absl::Status& status) {
  static std::atomic<bool> told{false};
  if (!told.exchange(true)) std::fprintf(stderr, "xpool: %s\n", std::string(status.message()).c_str());
}

}  // namespace

Platform::Platform(const DispatchTable* api, cl_platform_id driver, bool remote)
    : Object(kKind), api(api), driver(driver), remote(remote) {
  const auto text = [this](cl_platform_info param) {
    return QueryString([&](size_t size, void* value, size_t* size_ret) {
      return this->api->clGetPlatformInfo(this->driver, param, size, value, size_ret);
    });
  };
  extensions = FilterExtensions(text(CL_PLATFORM_EXTENSIONS));
  icd_suffix = text(CL_PLATFORM_ICD_SUFFIX_KHR);
  if (icd_suffix.empty()) icd_suffix = "XPOOL";  // ICD loaders pass over a platform that has none
}

Platform* Platform::Current() { return current_platform.load(std::memory_order_acquire); }

Platform* Platform::Usable(cl_platform_id handle) {
  Platform* const platform = FromHandle<Platform>(handle);
  if (platform == nullptr || !platform->remote || OfThisProcess(*platform)) return platform;
  const absl::StatusOr<Platform*> attached = Attach();
  return attached.ok() ? *attached : nullptr;
}

absl::StatusOr<Platform*> Platform::Attach() {
  Session* session = nullptr;
  if (!RemoteSlicesAreConfigured()) {
    ASSIGN_OR_RETURN(session, Session::Current());
  }
  const auto usable = [] {
    Platform* const platform = Current();
    return platform != nullptr && (!platform->remote || OfThisProcess(*platform)) ? platform : nullptr;
  };
  if (Platform* platform = usable()) return platform;
  static Mutex mutex;  // only one thread loads the driver
  MutexLock lock(&mutex);
  if (Platform* platform = usable()) return platform;
  absl::StatusOr<Platform*> made = session == nullptr ? MakeRemote() : MakeLocal(session->info());
  if (!made.ok()) {
    Complain(made.status());
    return made.status();
  }
  current_platform.store(*made, std::memory_order_release);
  return *made;
}

SliceSession* CurrentSession() {
  absl::StatusOr<Session*> session = Session::Current();
  return session.ok() ? *session : nullptr;
}

}  // namespace xpool::cl
