// The probing child: loads one OpenCL driver and reports its devices. Runs in a short-lived process of its own
// (`xpoold --probe LIBRARY`), because a driver may crash, hang, or keep hundreds of megabytes for itself.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace xpool {

inline constexpr int kProbeReportFd = 3;  // where the child writes its lines; its stdout is the driver's to spoil

// Writes one JSON line per device of |library| to |report_fd|.
absl::Status ProbeDriver(const std::string& library, int report_fd);

// The child's main(): an exit status, after one line on stderr if it is not 0. Dies with its parent.
int ProbeMain(const std::string& library);

}  // namespace xpool
