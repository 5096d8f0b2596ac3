// A worker's line to its agent: messages (worker_protocol/messages.h) over a socket of the agent's, made again when an
// agent was started anew. Thread-safe but for Receive() and Reconnect(), which are for one thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "worker_protocol/messages.h"

namespace xpool::worker {

class AgentLine {
 public:
  struct Received {
    Message message;
    std::vector<UniqueFd> fds;
  };

  explicit AgentLine(std::string path) : path_(std::move(path)) {}

  // Connects and says |first|. UNAVAILABLE, NOT_FOUND when there is no agent.
  absl::Status Connect(const Message& first);

  // UNAVAILABLE when there is no agent at the moment.
  absl::Status Send(const Message& message);

  // The next message; nothing when |timeout_ns| have passed, or |also|, another descriptor (-1: none), is readable.
  // UNAVAILABLE when the agent is gone, INVALID_ARGUMENT when it is none.
  absl::StatusOr<std::optional<Received>> Receive(int64_t timeout_ns, int also);

 private:
  const std::string path_;
  Mutex mutex_;
  UniqueFd socket_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace xpool::worker
