// One agent from start to end: the directory and its lock, drivers, doors, signals. What apps/xpoold runs.
#pragma once

#include "absl/status/status.h"
#include "agent/options.h"

namespace xpool::agent {

// Runs until SIGTERM, SIGINT, or idle for options.idle_exit_ns. Slices and sessions outlive it: the next agent on the
// same directory takes them over. ALREADY_EXISTS when one runs there.
// REQUIRES: called on the main thread, before any other exists.
absl::Status RunAgent(const Options& options);

}  // namespace xpool::agent
