// An ordered, reliable stream of bytes between two processes: what the remote client in a user's program and the worker
// on the card's node talk over. The kinds are a Unix socket (unix_channel.h), TCP (tcp_channel.h), TLS over one of them
// (tls_channel.h, a target of its own) and a ring in shared memory (ring_channel.h).
//
// Threading: one thread may send (Send, Flush, Wait to send) while another receives (Receive, Wait to receive). A call
// that asks for both directions counts as both. Close may be called from any thread at any time and ends their waits.
// No channel has a thread of its own, keeps a callback or raises SIGPIPE.
//
// Lifecycle: connected when made. Close ends the stream for both sides. Destroying a channel only drops this process's
// hold of it, so that a fork's child may destroy its copy; the peer sees the end when nobody holds this side any more.
//
// Errors, the same for all kinds:
//   OUT_OF_RANGE         the peer closed the stream, or its process ended (IsPeerClosed); what it sent before has been
//                        received
//   UNAVAILABLE          the connection was lost (reset, unreachable, cut short); bytes may be missing
//   CANCELLED            Close was called on this side
//   DEADLINE_EXCEEDED    a wait ended with nothing to show; the channel is as good as before
//   DATA_LOSS            the peer broke the rules of the transport; nothing it sends can be believed any more
//   UNAUTHENTICATED      TLS: one side refused the other's certificate
// After any of them but DEADLINE_EXCEEDED the channel is over.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "transport/deadline.h"

namespace xpool::transport {

struct Interest {
  bool receive = false;
  bool send = false;
};
inline constexpr Interest kToReceive{true, false};
inline constexpr Interest kToSend{false, true};
inline constexpr Interest kToBoth{true, true};

// What an event loop gives to poll() or epoll.
struct PollTarget {
  int fd = -1;         // the channel's; do not read it, and do not keep it past the channel
  short events = 0;    // POLLIN, POLLOUT, ...
  bool ready = false;  // it is so already: do not poll, call Send or Receive
};

class Channel {
 public:
  Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  virtual ~Channel() = default;

  // Takes as many bytes of |pieces|, in order, as fit now and returns their number; 0 when the channel is full. Never
  // waits. All pieces leave in one system call where the kind has one, so give header and payload together.
  virtual absl::StatusOr<size_t> Send(std::span<const iovec> pieces) = 0;

  // Moves what has come, up to |buffer|'s size, into it and returns how much; 0 when nothing has come. Never waits.
  virtual absl::StatusOr<size_t> Receive(std::span<std::byte> buffer) = 0;

  // Moves on what Send took and could not hand over yet; true when nothing is left here. Receive, Wait and PollFor do
  // so too, so only a thread that sends and then leaves the channel alone has to care: SendAll ends with it.
  virtual absl::StatusOr<bool> Flush() { return true; }

  // What to poll until something of |interest| is possible or the stream is over. Ask again before each poll: the
  // answer is good for one. Being woken for nothing is possible.
  virtual PollTarget PollFor(Interest interest) = 0;

  // Waits until something of |interest| is possible or the stream is over (the next Send or Receive says so). OK may
  // come for nothing. DEADLINE_EXCEEDED; after Close on this side OK or CANCELLED.
  virtual absl::Status Wait(Interest interest, const Deadline& deadline);

  // Ends the stream, both ways. Bytes already taken by Send still reach the peer where it reads on and the kind keeps
  // them in the kernel. Thread-safe; the second call does nothing.
  virtual void Close() = 0;

  // Who is at the other end, for messages: "TCP 10.0.0.2:7070".
  virtual std::string Describe() const = 0;
};

// Sends all of |pieces|, waiting as often as needed. On an error some of them may have been sent.
absl::Status SendAll(Channel& channel, std::span<const iovec> pieces, const Deadline& deadline);

// Fills |buffer|. On an error its contents are unspecified.
absl::Status ReceiveAll(Channel& channel, std::span<std::byte> buffer, const Deadline& deadline);

bool IsPeerClosed(const absl::Status& status);
// The stream has ended by the peer's doing or on the way: closed or lost.
bool IsStreamOver(const absl::Status& status);

// For those who implement a channel. |who| is Describe().
absl::Status PeerClosedError(const std::string& who);
absl::Status ClosedHereError(const std::string& who);
absl::Status WaitedTooLongError(const std::string& who, Interest interest);

// Goes along |pieces| as they are taken: what is left of them starts in the middle of one.
class PieceCursor {
 public:
  explicit PieceCursor(std::span<const iovec> pieces) : pieces_(pieces) { SkipEmpty(); }

  bool done() const { return pieces_.empty(); }
  // The bytes from here to the end of the current piece. REQUIRES: !done().
  std::span<const std::byte> current() const {
    return {static_cast<const std::byte*>(pieces_[0].iov_base) + offset_, pieces_[0].iov_len - offset_};
  }
  // REQUIRES: |bytes| <= what is left.
  void Advance(size_t bytes);
  // Fills |out| with what is left, piece by piece; returns how many entries it needed (at most out.size()).
  size_t Fill(std::span<iovec> out) const;

 private:
  void SkipEmpty() {
    while (!pieces_.empty() && pieces_[0].iov_len == offset_) pieces_ = pieces_.subspan(1), offset_ = 0;
  }

  std::span<const iovec> pieces_;
  size_t offset_ = 0;
};

}  // namespace xpool::transport
