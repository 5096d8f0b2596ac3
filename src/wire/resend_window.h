// What it takes to resume a lane after its connection was lost, with every frame delivered once and in order. Each end
// has one ResendWindow for what it sends and one ReceiveWindow for what it receives, per lane. Pure logic; control
// frames do not go through it. Thread-compatible: both belong under the lane's lock.
//
//   sender                                           receiver
//   window.HasRoom(bytes)? window.Add(...), send  -> window.Accept(sequence): new, or a duplicate to be dropped
//   window.Acknowledge(ack.received)              <- TakeAck(): every so many bytes or frames, as an Ack frame
//   -- the connection is lost; on a new one both say received() in Hello and Welcome --
//   window.Resume(received), send kept() again    -> the frames that never arrived
//
// An answer to a call acknowledges the call, too: Acknowledge(answered sequence). From then on a resume can no longer
// ask for that frame, so memory that was only borrowed for it is the program's again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wire/limits.h"

namespace xpool::wire {

// The sender's side: keeps what the peer has not acknowledged.
class ResendWindow {
 public:
  struct KeptFrame {
    uint64_t sequence = 0;
    std::vector<std::byte> bytes;         // header, and payload as far as it is not borrowed
    std::span<const std::byte> borrowed;  // the rest of the payload
    size_t size() const { return bytes.size() + borrowed.size(); }
  };

  // Keeps at most |max_bytes|: Limits::resend_bytes, which CheckLimits() makes large enough for one frame.
  explicit ResendWindow(uint64_t max_bytes) : max_bytes_(max_bytes) {}

  // The number that the next frame's header must carry; the first is 1.
  uint64_t next_sequence() const { return next_sequence_; }
  uint64_t acknowledged() const { return acknowledged_; }
  uint64_t kept_bytes() const { return kept_bytes_; }

  // Whether a frame of |bytes| can be added now; if not, an acknowledgement has to come first.
  bool HasRoom(uint64_t bytes) const { return bytes <= max_bytes_ - kept_bytes_; }

  // Keeps a frame that is about to be sent. |bytes| are copied; |borrowed|, which follow them on the wire, are not, and
  // must stay as they are until the frame is acknowledged. RESOURCE_EXHAUSTED without room; INVALID_ARGUMENT if
  // |sequence| is not next_sequence(). Nothing is kept then, and the frame must not be sent.
  absl::Status Add(uint64_t sequence, std::span<const std::byte> bytes, std::span<const std::byte> borrowed = {});

  // The peer has everything up to and with |received|. An old number changes nothing; INVALID_ARGUMENT for a frame that
  // was never sent.
  absl::Status Acknowledge(uint64_t received);

  // On a new connection to a peer that has everything up to and with |received|: afterwards kept() is what must be sent
  // again, before anything new. DATA_LOSS if the peer has less than it acknowledged, INVALID_ARGUMENT if it has more
  // than was sent: the session is over in both cases.
  absl::Status Resume(uint64_t received);

  // In order of their sequence, without gaps, up to next_sequence() - 1.
  const std::deque<KeptFrame>& kept() const { return kept_; }

 private:
  const uint64_t max_bytes_;
  uint64_t next_sequence_ = 1;
  uint64_t acknowledged_ = 0;
  uint64_t kept_bytes_ = 0;  // Invariant: the sum over kept_, <= max_bytes_
  std::deque<KeptFrame> kept_;
};

// How often a receiver acknowledges: when either is reached.
struct AckPolicy {
  uint64_t every_bytes = 0;
  uint64_t every_frames = 0;
};

// Often enough that a sender whose window is full for its next frame, however long, always has an ack coming.
AckPolicy AckPolicyFor(const Limits& limits);

// The receiver's side: lets each frame through once, in order.
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

 private:
  const AckPolicy policy_;
  uint64_t received_ = 0;
  uint64_t unacknowledged_bytes_ = 0;
  uint64_t unacknowledged_frames_ = 0;
  bool duplicate_ = false;
};

}  // namespace xpool::wire
