#include "wire/receive_window.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "wire/frame.h"

namespace xpool::wire {

AckPolicy AckPolicyFor(const Limits& limits) {
  // A sender is stuck when kept + frame > resend_bytes, so when kept > resend_bytes - largest frame: by then an ack
  // must have become due.
  const uint64_t largest_frame = kFrameHeaderBytes + std::max(limits.max_frame_bytes, limits.max_chunk_bytes);
  const uint64_t spare = limits.resend_bytes - std::min(limits.resend_bytes, largest_frame);
  constexpr uint64_t kEveryFrames = 256;  // small frames: cheap to keep, and an ack costs about as much as one of them
  return {.every_bytes = std::min(limits.resend_bytes / 4, spare), .every_frames = kEveryFrames};
}

absl::StatusOr<ReceiveWindow::Arrival> ReceiveWindow::Accept(uint64_t sequence, uint64_t bytes) {
  if (sequence <= received_) {
    hurried_ = true;  // the sender does not know what arrived: tell it
    return Arrival::kDuplicate;
  }
  if (sequence - received_ != 1) {
    return absl::DataLossError(absl::StrCat("frame ", sequence, " follows frame ", received_,
                                            "; those between are missing, and the lane must be resumed"));
  }
  received_ = sequence;
  unacknowledged_bytes_ += bytes;
  ++unacknowledged_frames_;
  return Arrival::kNew;
}

std::optional<uint64_t> ReceiveWindow::TakeAck() {
  const bool due = hurried_ || (unacknowledged_frames_ > 0 && (unacknowledged_bytes_ >= policy_.every_bytes ||
                                                               unacknowledged_frames_ >= policy_.every_frames));
  if (!due) return std::nullopt;
  unacknowledged_bytes_ = 0;
  unacknowledged_frames_ = 0;
  hurried_ = false;
  return received_;
}

}  // namespace xpool::wire
