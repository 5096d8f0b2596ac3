// Finds the XPUs of this machine: one probing child per installed OpenCL driver, all at once. The calling process never
// loads a driver; a driver that crashes, hangs or writes nonsense costs its own devices only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "device/xpu_info.h"

namespace xpool {

struct DriverProblem {
  std::string kind;  // "driver-crashed", "driver-hung", "driver-failed"
  std::string library;
  std::string message;
};

struct Discovery {
  std::vector<XpuInfo> xpus;  // without ids, ordered by driver and position
  std::vector<DriverProblem> problems;
};

struct DiscoveryOptions {
  std::string probe_program = "/proc/self/exe";  // run as `PROGRAM --probe LIBRARY`
  std::vector<std::string> libraries;            // driver libraries, as dlopen takes them
  int64_t timeout_ns = 20 * kNsPerSec;
};

// The libraries of local::ListInstalledDrivers().
std::vector<std::string> InstalledDriverLibraries();

Discovery DiscoverXpus(const DiscoveryOptions& options);

}  // namespace xpool
