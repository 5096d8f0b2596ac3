// The channel over which a UCX channel began, kept as the sign of life: a side that closes says farewell on it, with
// how many bytes it has sent, and one that dies just ends it. Also the clock of what is missing then, since stream and
// control channel are not equally fast.
//
// Threading: under the UCX channel's mutex.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "transport/channel.h"

namespace xpool::transport {

class UcxControl {
 public:
  static constexpr int64_t kGraceNs = 2 * kNsPerSec;

  explicit UcxControl(std::unique_ptr<Channel> channel) : channel_(std::move(channel)) {}
  absl::Status MakeTimer();

  int timer_fd() const { return timer_.get(); }

  // Reads what is there.
  void Look();
  // What to poll for the next Look(); fd -1 once there will be nothing.
  PollTarget Target();

  // How many bytes the peer sent in all, once it has said farewell.
  const std::optional<uint64_t>& farewell() const { return farewell_; }
  // Why the channel ended, or DATA_LOSS when the peer said something else than farewell; OK while it lives.
  const absl::Status& over() const { return over_; }

  // Something is missing that may be on its way. True when it was waited for long enough; timer_fd() tells when.
  bool GraceIsOver();

  // Makes timer_fd() readable after |ns|, until the next Look(); not while the grace runs.
  void WakeAfter(int64_t ns);

  void SayFarewell(uint64_t sent_bytes);

 private:
  void Take(std::span<const std::byte> bytes);
  void SetTimer(int64_t ns);  // 0: off

  const std::unique_ptr<Channel> channel_;
  UniqueFd timer_;
  std::vector<std::byte> said_;  // by the peer
  std::optional<uint64_t> farewell_;
  absl::Status over_;
  bool in_grace_ = false, grace_over_ = false, wake_set_ = false;
};

}  // namespace xpool::transport
