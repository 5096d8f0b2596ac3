// The seccomp filter of a worker: which system calls, with which arguments. What is not allowed fails with EPERM and
// leaves no trace in a log; what only an attacker asks for ends the process (SIGSYS).
//
// Building one takes milliseconds, installing it a fraction of one: a worker builds it before it knows its tenant.
// Immutable once built; it names the process that built it (signals are allowed to that one only).
#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sandbox/profile.h"

namespace xpool::sandbox {

class SyscallFilter {
 public:
  // |self|: the process that will install it.
  static absl::StatusOr<SyscallFilter> Build(Profile profile, Sockets sockets, pid_t self);

  // For all threads of this process at once and for good. REQUIRES: no_new_privs is set.
  absl::Status Install() const;

 private:
  explicit SyscallFilter(std::vector<sock_filter> program) : program_(std::move(program)) {}
  std::vector<sock_filter> program_;
};

}  // namespace xpool::sandbox
