// Starting other programs: the user's, in the foreground and as our child, and the agent, detached from everything.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/environment.h"
#include "base/fd.h"

namespace xpool::cli {

// Why exec() refused, kept apart because the exit status depends on it.
struct SpawnFailure {
  int error = 0;  // errno
};

// Starts |arguments| (searched in |environment|'s PATH) as a child in the same process group, with signal mask |mask|.
// Returns its pid, or 0 and the reason in |failure|.
pid_t SpawnProgram(const std::vector<std::string>& arguments, const Environment& environment, const sigset_t& mask,
                   SpawnFailure& failure);

// Starts |arguments| (arguments[0] is a path) in a session of its own, reparented to init, working directory "/",
// stdin from /dev/null, stdout and stderr appended to |log_file|, no other descriptor open. Returns its pid.
absl::StatusOr<pid_t> SpawnDetached(const std::vector<std::string>& arguments, const Environment& environment,
                                    const std::string& log_file);

}  // namespace xpool::cli
