// A worker's connections to others: it asks its agent, which connects for it if it was told to allow that. Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "transport/deadline.h"
#include "wire/attach.h"
#include "worker/agent_line.h"
#include "worker_protocol/messages.h"

namespace xpool::worker {

class DialRequests {
 public:
  // |line| must outlive this.
  explicit DialRequests(AgentLine* line) : line_(line) {}

  // A socket on which |preamble| has been sent. The agent's error; UNAVAILABLE while there is none, DEADLINE_EXCEEDED.
  absl::StatusOr<UniqueFd> Dial(const std::string& address, const wire::Preamble& preamble,
                                const transport::Deadline& deadline);

  // What the agent has answered; for who reads the line.
  void Answered(const Dialed& answer, UniqueFd socket);

 private:
  using Answer = absl::StatusOr<UniqueFd>;

  absl::StatusOr<UniqueFd> Await(uint64_t request, const transport::Deadline& deadline);

  AgentLine* const line_;
  Mutex mutex_;
  CondVar changed_;
  uint64_t next_ ABSL_GUARDED_BY(mutex_) = 1;
  absl::flat_hash_map<uint64_t, std::optional<Answer>> asked_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace xpool::worker
