#include "backend/local/driver.h"

#include <dlfcn.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace xpool::local {
namespace {

using GetAddress = decltype(cl::DispatchTable::clGetExtensionFunctionAddress);
using GetPlatforms = decltype(cl::DispatchTable::clIcdGetPlatformIDsKHR);

absl::StatusOr<void*> Open(const std::string& library) {
  // RTLD_LOCAL: a driver must not replace the program's symbols. RTLD_NOW: an incomplete one fails here, not in a call.
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle != nullptr) return handle;
  const char* error = dlerror();
  return absl::NotFoundError(absl::StrCat("cannot load the OpenCL driver ", library, ": ",
                                          error == nullptr ? "unknown error" : error,
                                          "; install it, or remove its .icd file"));
}

// The driver's clIcdGetPlatformIDsKHR: through clGetExtensionFunctionAddress as cl_khr_icd has it, or exported.
GetPlatforms FindGetPlatforms(void* handle, GetAddress get_address) {
  void* function = get_address == nullptr ? nullptr : get_address("clIcdGetPlatformIDsKHR");
  if (function == nullptr) function = dlsym(handle, "clIcdGetPlatformIDsKHR");
  return reinterpret_cast<GetPlatforms>(function);
}

absl::StatusOr<std::vector<cl_platform_id>> ListPlatforms(const std::string& library, GetPlatforms get_platforms) {
  cl_uint count = 0;
  cl_int error = get_platforms(0, nullptr, &count);
  std::vector<cl_platform_id> ids(error == CL_SUCCESS ? count : 0);
  if (!ids.empty()) error = get_platforms(count, ids.data(), nullptr);
  if (error == CL_SUCCESS && !ids.empty()) return ids;
  return absl::UnavailableError(absl::StrCat("the OpenCL driver ", library, " offers no platform (error ", error,
                                             "); is its device there and permitted?"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Driver>> Driver::Load(const std::string& library) {
  ASSIGN_OR_RETURN(void* const handle, Open(library));
  const auto get_address = reinterpret_cast<GetAddress>(dlsym(handle, "clGetExtensionFunctionAddress"));
  const GetPlatforms get_platforms = FindGetPlatforms(handle, get_address);
  if (get_platforms == nullptr) {
    dlclose(handle);  // nothing of it has run but its constructors
    return absl::FailedPreconditionError(
        absl::StrCat(library, " is not an OpenCL driver: it has no clIcdGetPlatformIDsKHR"));
  }
  ASSIGN_OR_RETURN(const std::vector<cl_platform_id> ids, ListPlatforms(library, get_platforms));
  std::unique_ptr<Driver> driver(new Driver(library));
  driver->platforms_.resize(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    driver->platforms_[i].id = ids[i];
    cl::FillDispatchTable(ids[i], get_address, &driver->platforms_[i].api);
  }
  return driver;
}

std::vector<cl_device_id> ListDevices(const DriverPlatform& platform) {
  cl_uint count = 0;
  if (platform.api.clGetDeviceIDs(platform.id, CL_DEVICE_TYPE_ALL, 0, nullptr, &count) != CL_SUCCESS) return {};
  std::vector<cl_device_id> devices(count);
  if (count == 0 ||
      platform.api.clGetDeviceIDs(platform.id, CL_DEVICE_TYPE_ALL, count, devices.data(), &count) != CL_SUCCESS) {
    return {};
  }
  devices.resize(std::min<size_t>(devices.size(), count));
  return devices;
}

}  // namespace xpool::local
