// The receiver's half of resuming a lane (the sender's is wire/outbox.h): lets each frame through once, in order, and
// says when to acknowledge. Pure logic; control frames do not go through it. Thread-compatible.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "wire/limits.h"

namespace xpool::wire {

// How often a receiver acknowledges: when either is reached.
struct AckPolicy {
  uint64_t every_bytes = 0;
  uint64_t every_frames = 0;
};

// Often enough that a sender whose window is full for its next frame, however long, always has an ack coming.
AckPolicy AckPolicyFor(const Limits& limits);

class ReceiveWindow {
 public:
  enum class Arrival { kNew, kDuplicate };

  explicit ReceiveWindow(const AckPolicy& policy) : policy_(policy) {}

  // The last sequence received: for Hello and Welcome of a resume.
  uint64_t received() const { return received_; }

  // Judges a frame of |bytes| (with its header) that has arrived whole. kNew: deliver it. kDuplicate: drop it.
  // DATA_LOSS when frames before it are missing: nothing is counted as received, and the connection must be given up
  // (a resume brings them again).
  absl::StatusOr<Arrival> Accept(uint64_t sequence, uint64_t bytes);

  // The number to acknowledge if it is time to, counted as sent; a duplicate makes it time.
  std::optional<uint64_t> TakeAck();
  // Makes it time, if anything has arrived since the last: the sender waits for it.
  void HurryAck() { hurried_ = unacknowledged_frames_ > 0; }

 private:
  const AckPolicy policy_;
  uint64_t received_ = 0;
  uint64_t unacknowledged_bytes_ = 0;
  uint64_t unacknowledged_frames_ = 0;
  bool hurried_ = false;
};

}  // namespace xpool::wire
