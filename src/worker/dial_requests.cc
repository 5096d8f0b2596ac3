#include "worker/dial_requests.h"

#include <utility>

#include "base/status.h"

namespace xpool::worker {

absl::StatusOr<UniqueFd> DialRequests::Dial(const std::string& address, const wire::Preamble& preamble,
                                            const transport::Deadline& deadline) {
  uint64_t request;
  {
    MutexLock lock(&mutex_);
    request = next_++;
    asked_[request] = std::nullopt;
  }
  const absl::Status sent = line_->Send(xpool::worker::Dial{request, address, preamble});
  absl::StatusOr<UniqueFd> socket = sent.ok() ? Await(request, deadline) : sent;
  MutexLock lock(&mutex_);
  asked_.erase(request);
  return socket;
}

absl::StatusOr<UniqueFd> DialRequests::Await(uint64_t request, const transport::Deadline& deadline) {
  MutexLock lock(&mutex_);
  while (!asked_[request].has_value()) {
    if (deadline.HasPassed()) return absl::DeadlineExceededError("the agent has not connected in time");
    changed_.WaitFor(&mutex_, deadline.RemainingNs());
  }
  return *std::move(asked_[request]);
}

void DialRequests::Answered(const Dialed& answer, UniqueFd socket) {
  MutexLock lock(&mutex_);
  const auto asked = asked_.find(answer.request);
  if (asked == asked_.end()) return;  // nobody waits any more
  if (answer.code == absl::StatusCode::kOk && socket.valid()) {
    asked->second = std::move(socket);
  } else {
    asked->second =
        absl::Status(answer.code == absl::StatusCode::kOk ? absl::StatusCode::kInternal : answer.code, answer.why);
  }
  changed_.SignalAll();
}

}  // namespace xpool::worker
