// The sandbox of a worker: the process that executes one remote tenant's OpenCL calls. The vendor's driver is loaded
// and its threads run; then the worker is told its tenant, and enters. There is no way out and no second tenant.
//
//   at start    ASSIGN_OR_RETURN(Sandbox sandbox, Sandbox::Prepare(ProfileOfLibrary(driver), Sockets::kUnix));
//   at attach   ASSIGN_OR_RETURN(Report report, sandbox.Enter(spec));
//
// Entering takes, in all threads of the process: the tenant's user and group, all capabilities, no_new_privs, a
// Landlock domain, a system-call filter; and for the process resource limits, control groups, open descriptors, the
// working directory (/), the umask (077) and its dumpable flag. Then the kernel's own account of each thread is
// checked. docs/sandbox.md says what a worker can and cannot do afterwards, and what that is worth.
//
// Not thread-safe: one thread prepares and enters, while the others, the driver's, may run but start no process.
#pragma once

#include <sys/types.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sandbox/profile.h"
#include "sandbox/spec.h"
#include "sandbox/syscall_filter.h"

namespace xpool::sandbox {

class Sandbox {
 public:
  // What can be done before the tenant is known; changes nothing yet.
  static absl::StatusOr<Sandbox> Prepare(Profile profile, Sockets sockets);

  // INVALID_ARGUMENT, FAILED_PRECONDITION, NOT_FOUND (a path) and UNAVAILABLE (no Landlock, where it is required) leave
  // the process as it was. Any other error finds it confined in part: it must serve nobody and end.
  absl::StatusOr<Report> Enter(const Spec& spec);

 private:
  Sandbox(Profile profile, Sockets sockets, pid_t process, SyscallFilter filter)
      : profile_(profile), sockets_(sockets), process_(process), filter_(std::move(filter)) {}

  Profile profile_;
  Sockets sockets_;
  pid_t process_;
  SyscallFilter filter_;
};

}  // namespace xpool::sandbox
