#include "worker/lane_host.h"

#include <utility>

#include "base/status.h"
#include "lane/handshake.h"

namespace xpool::worker {

void LaneHost::Offer(LaneConnection connection) {
  std::shared_ptr<transport::Channel> old;
  {
    MutexLock lock(&mutex_);
    if (ended_) return;
    // Asked before the new one can be taken, which would be closed in its place.
    old = lane_->channel();
    offered_ = std::move(connection);
    changed_.SignalAll();
  }
  if (old != nullptr) old->Close();
}

void LaneHost::End() {
  {
    MutexLock lock(&mutex_);
    ended_ = true;
    offered_.reset();
    changed_.SignalAll();
  }
  if (const auto channel = lane_->channel(); channel != nullptr) channel->Close();
}

absl::Status LaneHost::TakeOffered(const transport::Deadline& welcome_deadline) {
  std::optional<LaneConnection> taken;
  {
    MutexLock lock(&mutex_);
    taken = std::exchange(offered_, std::nullopt);
  }
  if (!taken.has_value()) return absl::OkStatus();
  lane_->Disconnect();
  wire::Writer writer;
  RETURN_IF_ERROR(WriteWelcome(&writer, {.limits = lane_->limits(), .received = lane_->received()}));
  if (!lane::SendWritten(*taken->channel, writer, welcome_deadline).ok()) return absl::OkStatus();
  return lane_->Connect(std::move(taken->channel), taken->hello.received);
}

absl::Status LaneHost::AwaitOffer(int64_t timeout_ns) {
  MutexLock lock(&mutex_);
  if (!offered_.has_value() && !ended_) changed_.WaitFor(&mutex_, timeout_ns);
  if (ended_) return absl::CancelledError("the session is over");
  return offered_.has_value() ? absl::OkStatus() : absl::DeadlineExceededError("the client did not come back in time");
}

}  // namespace xpool::worker
