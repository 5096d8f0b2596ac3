// What a lane has to send: numbered frames, kept until the peer has acknowledged them, so that a lost connection can be
// resumed with every frame delivered once and in order (the receiver's half is wire/receive_window.h). A frame is
// copied in once, sent from here, and sent again from here after a loss; bulk payloads are not copied at all. Pure
// logic; control frames do not go through it. Thread-compatible: it belongs under the lane's lock.
//
//   outbox.Append(frame)                                    any number of times
//   outbox.Sendable(pieces), channel.Send(pieces), outbox.Sent(bytes)
//   outbox.Acknowledge(ack.received), outbox.Grant(credit.granted_bytes)     as they come in
//   -- the connection is lost; on a new one the peer says what it has received --
//   outbox.Resume(received), and on with Sendable()
//
// Frames wait here while the peer has granted no credit for them (wire/credits.h). An answer to a call acknowledges the
// call, too: from then on a resume can no longer ask for that frame, so memory that was only borrowed for it is the
// program's again.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "wire/credits.h"
#include "wire/limits.h"

namespace xpool::wire {

class Outbox {
 public:
  explicit Outbox(const Limits& limits) : max_bytes_(limits.resend_bytes), purse_(limits.credit_bytes) {}

  // The number that the next frame's header must carry; the first is 1.
  uint64_t next_sequence() const { return first_sequence_ + frame_ends_.size(); }

  // Appends a frame, header and payload. |bytes| are copied; |borrowed|, which follow them on the wire, are not, and
  // must stay as they are until the frame is acknowledged. May be called whatever HasRoom() says: it is for the caller
  // to wait.
  void Append(std::span<const std::byte> bytes, std::span<const std::byte> borrowed = {});

  // Whether what is kept is below Limits::resend_bytes; if not, whoever wants to send should wait for an
  // acknowledgement.
  bool HasRoom() const { return kept_bytes() < max_bytes_; }
  uint64_t kept_bytes() const { return end_ - begin_; }
  uint64_t unsent_bytes() const { return end_ - sent_; }
  // Of the frame in whose middle sending stands: nothing else may be put on the connection before it is complete.
  uint64_t started_bytes() const;
  // The last frame that has been sent whole on some connection.
  uint64_t last_sent() const { return next_unsent_ - 1; }

  // Fills |out| with what may be sent next, in order; returns how many entries it took. Good until the next call that
  // changes the outbox.
  size_t Sendable(std::span<iovec> out);
  // The first |bytes| of what Sendable() gave have been sent.
  void Sent(uint64_t bytes);

  // The peer has everything up to and with |received|. An old number changes nothing; INVALID_ARGUMENT for a frame that
  // was never sent whole.
  absl::Status Acknowledge(uint64_t received);
  // The peer grants so many bytes in all. Errors as of CreditPurse::OnGrant().
  absl::Status Grant(uint64_t granted_bytes) { return purse_.OnGrant(granted_bytes); }
  // On a new connection to a peer that has everything up to and with |received|: sending goes on with the frame after
  // it. DATA_LOSS if the peer has less than it acknowledged, INVALID_ARGUMENT if it has more than was sent: the session
  // is over in both cases.
  absl::Status Resume(uint64_t received);

 private:
  // Bytes in one piece: a part of |owned|, or somebody else's.
  struct Segment {
    std::unique_ptr<std::byte[]> owned;
    const std::byte* data = nullptr;
    size_t size = 0;
    size_t capacity = 0;  // 0: borrowed
    uint64_t start = 0;   // its place in the stream of all bytes ever appended
  };

  void Copy(std::span<const std::byte> bytes, size_t at_least);
  void AddSegment(size_t capacity);
  void Allow();
  void DropSegments();
  uint64_t EndOf(uint64_t sequence) const;

  const uint64_t max_bytes_;
  CreditPurse purse_;
  // Places in the stream of all bytes. Invariant: begin_ <= sent_ <= allowed_ <= end_.
  uint64_t begin_ = 0;    // of the first frame that is kept
  uint64_t sent_ = 0;     // on this connection
  uint64_t allowed_ = 0;  // paid with credit
  uint64_t end_ = 0;
  uint64_t first_sequence_ = 1;         // of frame_ends_[0]
  uint64_t next_unsent_ = 1;            // the first frame that was never sent whole
  uint64_t next_unpaid_ = 1;            // the first frame past |allowed_|
  std::deque<uint64_t> frame_ends_;     // of the frames that are kept
  std::deque<Segment> segments_;        // cover [begin_, end_)
  std::unique_ptr<std::byte[]> spare_;  // a segment's memory, to be used again
};

}  // namespace xpool::wire
