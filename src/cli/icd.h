// How a program comes to load xpool's OpenCL library instead of the vendor's: the loader's own environment variables
// point to a folder with a single .icd file. Nothing on disk is replaced.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/paths.h"
#include "cli/spawn.h"

namespace xpool::cli {

inline constexpr char kShimLibrary[] = "libxpool-opencl.so";

// libxpool-opencl.so in $XPOOL_SHIM_DIR, else in lib folders next to |executable_directory|.
absl::StatusOr<std::string> FindShim(const std::string& executable_directory);

// Creates (once per library path) a folder that holds only a .icd file naming |shim|, under |paths| when that directory
// is ours, else under the user's own. Safe when several processes do it at once.
absl::StatusOr<std::string> MakeIcdFolder(const AgentPaths& paths, const std::string& shim);

// Makes both OpenCL loaders (ocl-icd and Khronos') see |icd_folder| and nothing else.
void UseOnlyIcdFolder(Environment& environment, const std::string& icd_folder);

// Settings under which drivers work well in leases of milliseconds, unless the user has chosen. PoCL's worker threads
// stay each on its core: woken anew for every lease, the scheduler may put them on one core and take longer than the
// lease to move them (measured: a quarter of the throughput of a slice limited to 10 or 25 %).
void TuneDriverForLeases(Environment& environment);

}  // namespace xpool::cli
