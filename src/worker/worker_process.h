// One worker from start to end: loads a driver and waits, serves the one session that the agent gives it, and ends.
// What apps/xpool-worker runs.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "base/paths.h"

namespace xpool::worker {

struct WorkerOptions {
  AgentPaths paths;
  std::string driver_library;
};

// OK when it was not needed any more, or its session has ended.
// REQUIRES: called on the main thread, before any other exists.
absl::Status RunWorker(const WorkerOptions& options);

}  // namespace xpool::worker
