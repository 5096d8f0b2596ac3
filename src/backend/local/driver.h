// An OpenCL driver of this machine, loaded straight from its library: never through the ICD loader, which in a sliced
// process knows only xpool's own shim. The shim loads the one that drives its slice; the agent's probe loads all that
// are installed to see what devices they have.
//
// Immutable once loaded; any thread may use it. A driver is never unloaded: its threads and exit handlers would not
// survive that.
#pragma once

#include <CL/cl.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "generated/opencl/dispatch_table.h"

namespace xpool::local {

struct DriverPlatform {
  cl_platform_id id = nullptr;
  cl::DispatchTable api;
};

class Driver {
 public:
  // Loads |library| (a path, or a name for the dynamic linker) and asks it for its platforms. NOT_FOUND when it cannot
  // be loaded, FAILED_PRECONDITION when it is not an OpenCL driver, UNAVAILABLE when it offers no platform.
  static absl::StatusOr<std::unique_ptr<Driver>> Load(const std::string& library);

  const std::string& library() const { return library_; }
  const std::vector<DriverPlatform>& platforms() const { return platforms_; }

 private:
  explicit Driver(std::string library) : library_(std::move(library)) {}

  std::string library_;
  std::vector<DriverPlatform> platforms_;
};

// The platform's devices in the order that a device index means (CL_DEVICE_TYPE_ALL); empty when it has none.
std::vector<cl_device_id> ListDevices(const DriverPlatform& platform);

// A driver as it is registered for ICD loaders.
struct InstalledDriver {
  std::string icd_file;  // empty when the library was named directly
  std::string library;
};

// The drivers of /etc/OpenCL/vendors, or of $XPOOL_ICD_VENDORS: a colon-separated list of directories with .icd files,
// .icd files and libraries. Sorted by file name; xpool's own shim and libraries named twice are left out.
std::vector<InstalledDriver> ListInstalledDrivers();

}  // namespace xpool::local
