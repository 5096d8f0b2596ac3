// The one platform that a program sees: xpool's own handle around the platform of the driver that drives the slice's
// XPU. Attach() happens at the first clIcdGetPlatformIDsKHR: it attaches the process to its slice, loads the driver that
// the agent names and checks its device. Immutable once made, never destroyed. Thread-safe.
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

  Platform(local::Driver* driver_library, cl_platform_id driver_platform);

  // The process's platform. An error (no agent, no driver, another device than promised) stays the answer until the
  // next call, which tries again.
  static absl::StatusOr<Platform*> Attach();

  // The platform when Attach() has succeeded, else nullptr.
  static Platform* Current();

  local::Driver* const library;
  const DispatchTable* const api;
  const cl_platform_id driver;
  cl_version version = 0;  // CL_PLATFORM_NUMERIC_VERSION, or made from CL_PLATFORM_VERSION
  std::string extensions;  // what the shim handles of what the driver offers
  Device* device = nullptr;
};

// The process's session: after a fork, the child's own. nullptr when no slice can be had any more.
Session* CurrentSession();

// The version of an "OpenCL <major>.<minor> ..." string; 1.0 when it is something else.
cl_version ParseVersion(const std::string& text);

}  // namespace xpool::cl
