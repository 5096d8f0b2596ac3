// The platform functions: how a program, or the ICD loader for it, finds xpool's platform and the shim's functions.
#include "generated/opencl/hooks.h"
#include "generated/opencl/icd_dispatch.h"
#include "opencl/info.h"
#include "shim/opencl/driver_info.h"
#include "shim/opencl/extensions.h"
#include "shim/opencl/platform.h"

namespace xpool::cl {
namespace {

// NULL means "the implementation's choice", and there is only one.
Platform* PlatformOrDefault(cl_platform_id handle) {
  return handle == nullptr ? Platform::Current() : Platform::Usable(handle);
}

std::vector<cl_name_version> ExtensionVersions(const Platform& platform) {
  return FilterExtensions(QueryArray<cl_name_version>([&](size_t size, void* value, size_t* size_ret) {
    return platform.api->clGetPlatformInfo(platform.driver, CL_PLATFORM_EXTENSIONS_WITH_VERSION, size, value, size_ret);
  }));
}

cl_int ReturnPlatform(Platform* platform, cl_uint num_entries, cl_platform_id* platforms, cl_uint* num_platforms) {
  if (platforms != nullptr && num_entries > 0) platforms[0] = ToHandle(platform);
  if (num_platforms != nullptr) *num_platforms = 1;
  return CL_SUCCESS;
}

}  // namespace

namespace hook {

cl_int clIcdGetPlatformIDsKHR(cl_uint num_entries, cl_platform_id* platforms, cl_uint* num_platforms) {
  if ((num_entries == 0) != (platforms == nullptr)) return CL_INVALID_VALUE;
  if (platforms == nullptr && num_platforms == nullptr) return CL_INVALID_VALUE;
  const absl::StatusOr<Platform*> platform = Platform::Attach();
  if (platform.ok()) return ReturnPlatform(*platform, num_entries, platforms, num_platforms);
  if (num_platforms != nullptr) *num_platforms = 0;
  return CL_PLATFORM_NOT_FOUND_KHR;
}

cl_int clGetPlatformIDs(cl_uint num_entries, cl_platform_id* platforms, cl_uint* num_platforms) {
  return hook::clIcdGetPlatformIDsKHR(num_entries, platforms, num_platforms);
}

cl_int clGetPlatformInfo(cl_platform_id platform, cl_platform_info param_name, size_t param_value_size,
                         void* param_value, size_t* param_value_size_ret) {
  const Platform* own = PlatformOrDefault(platform);
  if (own == nullptr) return CL_INVALID_PLATFORM;
  const InfoOut out(param_value_size, param_value, param_value_size_ret);
  if (param_name == CL_PLATFORM_EXTENSIONS) return out.String(own->extensions);
  if (param_name == CL_PLATFORM_ICD_SUFFIX_KHR) return out.String(own->icd_suffix);
  if (param_name == CL_PLATFORM_EXTENSIONS_WITH_VERSION) {
    const std::vector<cl_name_version> versions = ExtensionVersions(*own);
    return versions.empty() ? CL_INVALID_VALUE : out.Array(versions);  // a driver older than 3.0 does not know it
  }
  return own->api->clGetPlatformInfo(own->driver, param_name, param_value_size, param_value, param_value_size_ret);
}

void* clGetExtensionFunctionAddress(const char* func_name) {
  return func_name == nullptr ? nullptr : FindEntryPoint(func_name);
}

void* clGetExtensionFunctionAddressForPlatform(cl_platform_id platform, const char* func_name) {
  return FromHandle<Platform>(platform) == nullptr ? nullptr : hook::clGetExtensionFunctionAddress(func_name);
}

}  // namespace hook
}  // namespace xpool::cl
