// The two ends of a window over UCX messages, by which a channel has bounds: what a sender may have under way, and
// where at the receiver it goes. Pure memory; the messages are ucx_line.h's, UCX is not known here.
//
// Both sides keep a ring of bytes of the receiver's size. Stream position p is at p modulo the size in both, and no
// message goes across the ring's end, so each has one place. A sender has at most kMostMessages that the receiver has
// not consumed, however small they are: what comes beyond waits in the ring and leaves as one message. The receiver
// tells how many messages it has consumed.
//
// What a peer claims is checked: it never reaches outside of the ring, over bytes that are still to be read, or past
// what was sent. Threading: each end for one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "transport/channel.h"

namespace xpool::transport {

inline constexpr size_t kMostUcxMessages = 16;
inline constexpr uint64_t kUcxMessagesPerWindow = 8;  // at the least

class UcxSendWindow {
 public:
  struct Message {
    uint64_t position;
    std::span<const std::byte> bytes;  // in the ring: stays until Sent(slot) and until the peer has consumed it
    size_t slot;                       // < kMostUcxMessages
  };

  // REQUIRES: a power of two.
  explicit UcxSendWindow(size_t window_bytes) : ring_(window_bytes) {}

  // Copies what fits; how much.
  size_t Take(PieceCursor* left);
  size_t Room() const { return ring_.size() - kept(); }
  bool HasQuarterFree() const { return Room() >= ring_.size() / 4; }

  // The next message to send, if there is one and the peer can take it.
  std::optional<Message> Next();
  // The message of |slot| has left, and its bytes are no longer read.
  void Sent(size_t slot);
  // The peer says that it has consumed |messages| since the start. DATA_LOSS when so many were not sent.
  absl::Status Consumed(uint64_t messages);

  // Bytes since the start: taken, and of them given out as messages.
  uint64_t taken() const { return taken_; }
  uint64_t submitted() const { return submitted_; }
  // What the peer has not said to have consumed.
  size_t kept() const { return static_cast<size_t>(taken_ - Kept()); }
  // Every byte has left.
  bool AllSent() const;

 private:
  struct Sending {
    uint64_t start;
    bool sent;
  };

  // From which position on the ring's bytes are still needed.
  uint64_t Kept() const { return first_ == next_ ? submitted_ : messages_[first_ % kMostUcxMessages].start; }
  void Release();

  std::vector<std::byte> ring_;
  uint64_t taken_ = 0, submitted_ = 0;  // positions
  std::array<Sending, kMostUcxMessages> messages_{};
  uint64_t first_ = 0, next_ = 0, consumed_ = 0;  // numbers of messages: oldest that is kept, next, next at the peer
};

class UcxReceiveWindow {
 public:
  struct Place {
    std::span<std::byte> bytes;  // where the message goes
    size_t slot;
  };

  // REQUIRES: a power of two.
  explicit UcxReceiveWindow(size_t window_bytes) : ring_(window_bytes) {}

  // A message of |size| bytes for |position| comes, in any order. DATA_LOSS when it cannot be.
  absl::StatusOr<Place> Expect(uint64_t position, size_t size);
  // The message of |slot| is in its place.
  void Arrived(size_t slot);

  // Copies out what is there; how much.
  size_t Read(std::span<std::byte> buffer);
  bool HasBytes() const;
  uint64_t consumed_messages() const { return consumed_; }
  // Up to which position all has come.
  uint64_t arrived() const;

 private:
  struct Coming {
    uint64_t start = 0, end = 0;  // positions; equal when the slot is free
    bool here = false;
  };

  // The message that |position| is in, when it is here.
  Coming* HereAt(uint64_t position);
  const Coming* HereAt(uint64_t position) const { return const_cast<UcxReceiveWindow*>(this)->HereAt(position); }

  std::vector<std::byte> ring_;
  uint64_t read_ = 0;
  std::array<Coming, kMostUcxMessages> messages_{};
  uint64_t consumed_ = 0;
};

}  // namespace xpool::transport
