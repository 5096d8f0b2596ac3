// Agents on demand: on a machine without one, the first command that needs an agent starts it; the others wait for that
// one. An agent started so ends by itself when it has had nothing to do for a while.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/paths.h"
#include "xpool.pb.h"

namespace xpool::cli {

struct LaunchOptions {
  AgentPaths paths;
  std::string agent_program;           // path of xpoold; FindAgentProgram()
  std::vector<std::string> arguments;  // for xpoold
  const Clock* clock = Clock::Monotonic();
  std::function<void(const std::string&)> progress;  // a line for the user when it takes longer than two seconds
  std::function<bool()> cancelled = [] { return false; };
  int64_t timeout_ns = 60 * kNsPerSec;
};

inline const std::vector<std::string> kOnDemandArguments = {"--idle-exit", "60"};

// xpoold: $XPOOL_AGENT_PROGRAM, next to this program, in the sbin beside its folder, or in PATH. NOT_FOUND tells where
// it was looked for.
absl::StatusOr<std::string> FindAgentProgram();

// The directory of the running program's binary.
std::string ExecutableDirectory();

// Returns the running agent's status; starts the agent first if there is none, and waits until it answers. However many
// processes call this at once, one agent is started. Errors: the agent's own last words when it died,
// PERMISSION_DENIED, DEADLINE_EXCEEDED when there is one that does not answer (no second one is started), CANCELLED.
absl::StatusOr<v1::Status> EnsureAgent(const LaunchOptions& options);

// Asks the agent to end (SIGTERM to its process) and waits for it. Agents stopped so are not started again by the
// programs that still use them. NOT_FOUND when none runs.
absl::Status StopAgent(const AgentPaths& paths, const Clock& clock);

// Keeps an on-demand agent running while a program needs it: a thread that waits for the agent's death and starts
// another at once. Does nothing for agents that were started otherwise (systemd, by hand): those have their own keeper.
class AgentKeeper {
 public:
  // |status| is the running agent's.
  AgentKeeper(LaunchOptions options, const v1::Status& status);
  ~AgentKeeper();  // Ends the thread.

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace xpool::cli
