#include "wire/resend_window.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "wire/frame.h"

namespace xpool::wire {

absl::Status ResendWindow::Add(uint64_t sequence, std::span<const std::byte> bytes,
                               std::span<const std::byte> borrowed) {
  if (sequence != next_sequence_) {
    return absl::InvalidArgumentError(
        absl::StrCat("frame ", sequence, " is to be sent where ", next_sequence_, " is next"));
  }
  const size_t size = bytes.size() + borrowed.size();
  if (!HasRoom(size)) {
    return absl::ResourceExhaustedError(absl::StrCat("a frame of ", size, " bytes does not fit beside ", kept_bytes_,
                                                     " unacknowledged ones; the window is ", max_bytes_));
  }
  kept_bytes_ += size;
  kept_.push_back({.sequence = sequence, .bytes = {bytes.begin(), bytes.end()}, .borrowed = borrowed});
  ++next_sequence_;
  return absl::OkStatus();
}

absl::Status ResendWindow::Acknowledge(uint64_t received) {
  if (received >= next_sequence_) {
    return absl::InvalidArgumentError(
        absl::StrCat("the peer acknowledges frame ", received, "; the last one sent is ", next_sequence_ - 1));
  }
  while (!kept_.empty() && kept_.front().sequence <= received) {
    kept_bytes_ -= kept_.front().size();
    kept_.pop_front();
  }
  acknowledged_ = std::max(acknowledged_, received);
  return absl::OkStatus();
}

absl::Status ResendWindow::Resume(uint64_t received) {
  if (received < acknowledged_) {
    return absl::DataLossError(absl::StrCat("the peer resumes after frame ", received, " but acknowledged ",
                                            acknowledged_, "; what lies between is no longer kept"));
  }
  return Acknowledge(received);
}

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
    duplicate_ = true;  // the sender does not know what arrived: tell it
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
  const bool due = duplicate_ || (unacknowledged_frames_ > 0 && (unacknowledged_bytes_ >= policy_.every_bytes ||
                                                                 unacknowledged_frames_ >= policy_.every_frames));
  if (!due) return std::nullopt;
  unacknowledged_bytes_ = 0;
  unacknowledged_frames_ = 0;
  duplicate_ = false;
  return received_;
}

}  // namespace xpool::wire
