// The one platform that a program sees: xpool's own handle around the platform of the driver that drives the slice's
// XPU, or of the remote client, whose devices are slices of other nodes. Attach() happens at the first
// clIcdGetPlatformIDsKHR: it attaches the process to its slice, loads the driver that the agent names and checks its
// device; or it connects to the nodes that lend slices. Immutable once made, never destroyed. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "shim/opencl/object.h"
#include "slice/slice_session.h"

namespace xpool::cl {

struct Device;

struct Platform : Object {
  static constexpr Kind kKind = Kind::kPlatform;
  using Handle = cl_platform_id;
  static constexpr cl_int kInvalid = CL_INVALID_PLATFORM;

  // |api| drives |driver| and outlives this.
  Platform(const DispatchTable* api, cl_platform_id driver, bool remote);

  // The process's platform. An error (no agent, no driver, another device than promised) stays the answer until the
  // next call, which tries again.
  static absl::StatusOr<Platform*> Attach();

  // The platform when Attach() has succeeded, else nullptr.
  static Platform* Current();

  // What this process uses for |handle|, which its parent may have made: connections to other nodes cannot be shared
  // with a child of fork(), so there the child attaches anew. nullptr if |handle| is no platform, or that fails.
  static Platform* Usable(cl_platform_id handle);

  const DispatchTable* const api;
  const cl_platform_id driver;
  const bool remote;
  std::string extensions;        // what the shim handles of what the driver offers
  std::string icd_suffix;        // CL_PLATFORM_ICD_SUFFIX_KHR, the driver's
  std::vector<Device*> devices;  // the slices
};

// The process's session on a slice of this machine: after a fork, the child's own. nullptr when no slice can be had any
// more.
SliceSession* CurrentSession();

}  // namespace xpool::cl
