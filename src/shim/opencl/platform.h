// The one platform that a program sees: xpool's own handle around the platform of the driver that drives the slice's
// XPU. Attach() happens at the first clIcdGetPlatformIDsKHR: it attaches the process to its slice, loads the driver
// that the agent names and checks its device. Immutable once made, never destroyed. Thread-safe.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "backend/local/driver.h"
#include "shim/opencl/object.h"
#include "slice/session.h"

namespace xpool::cl {

struct Device;

struct Platform : Object {
  static constexpr Kind kKind = Kind::kPlatform;
  using Handle = cl_platform_id;
  static constexpr cl_int kInvalid = CL_INVALID_PLATFORM;

  Platform(local::Driver* library, const local::DriverPlatform& found);

  // The process's platform. An error (no agent, no driver, another device than promised) stays the answer until the
  // next call, which tries again.
  static absl::StatusOr<Platform*> Attach();

  // The platform when Attach() has succeeded, else nullptr.
  static Platform* Current();

  local::Driver* const library;
  const DispatchTable* const api;
  const cl_platform_id driver;
  std::string extensions;  // what the shim handles of what the driver offers
  std::string icd_suffix;  // CL_PLATFORM_ICD_SUFFIX_KHR, the driver's
  Device* device = nullptr;
};

// The process's session: after a fork, the child's own. nullptr when no slice can be had any more.
Session* CurrentSession();

}  // namespace xpool::cl
