#include "transport/channel.h"

#include <algorithm>
#include <array>

#include "base/status.h"

namespace xpool::transport {
namespace {

// What SendAll hands to one Send; a system call takes 1024.
constexpr size_t kPiecesPerSend = 64;

const char* NameOf(Interest interest) {
  if (interest.receive && interest.send) return "to receive or send";
  return interest.send ? "to send" : "to receive";
}

absl::Status FlushAll(Channel& channel, const Deadline& deadline) {
  while (true) {
    ASSIGN_OR_RETURN(const bool all, channel.Flush());
    if (all) return absl::OkStatus();
    RETURN_IF_ERROR(channel.Wait(kToSend, deadline));
  }
}

}  // namespace

absl::Status Channel::Wait(Interest interest, const Deadline& deadline) {
  const PollTarget target = PollFor(interest);
  if (target.ready) return absl::OkStatus();
  pollfd polled{target.fd, target.events, 0};
  ASSIGN_OR_RETURN(const int events, PollUntil({&polled, 1}, deadline));
  return events > 0 ? absl::OkStatus() : WaitedTooLongError(Describe(), interest);
}

absl::Status SendAll(Channel& channel, std::span<const iovec> pieces, const Deadline& deadline) {
  PieceCursor left(pieces);
  while (!left.done()) {
    std::array<iovec, kPiecesPerSend> next;
    const size_t count = left.Fill(next);
    ASSIGN_OR_RETURN(const size_t sent, channel.Send(std::span(next).first(count)));
    left.Advance(sent);
    if (sent == 0) RETURN_IF_ERROR(channel.Wait(kToSend, deadline));
  }
  return FlushAll(channel, deadline);
}

absl::Status ReceiveAll(Channel& channel, std::span<std::byte> buffer, const Deadline& deadline) {
  while (!buffer.empty()) {
    ASSIGN_OR_RETURN(const size_t received, channel.Receive(buffer));
    buffer = buffer.subspan(received);
    if (received == 0) RETURN_IF_ERROR(channel.Wait(kToReceive, deadline));
  }
  return absl::OkStatus();
}

bool IsPeerClosed(const absl::Status& status) { return status.code() == absl::StatusCode::kOutOfRange; }

bool IsStreamOver(const absl::Status& status) {
  return IsPeerClosed(status) || status.code() == absl::StatusCode::kUnavailable;
}

absl::Status PeerClosedError(const std::string& who) {
  return absl::OutOfRangeError(absl::StrCat(who, " closed the connection, or its process ended; its own log says why"));
}

absl::Status ClosedHereError(const std::string& who) {
  return absl::CancelledError(absl::StrCat("the connection with ", who, " was closed on this side"));
}

absl::Status WaitedTooLongError(const std::string& who, Interest interest) {
  return absl::DeadlineExceededError(absl::StrCat("waited in vain ", NameOf(interest), "; ", who, " is connected but ",
                                                  interest.receive ? "sends nothing" : "does not read"));
}

void PieceCursor::Advance(size_t bytes) {
  while (bytes > 0) {
    const size_t step = std::min(bytes, pieces_[0].iov_len - offset_);
    offset_ += step;
    bytes -= step;
    SkipEmpty();
  }
}

size_t PieceCursor::Fill(std::span<iovec> out) const {
  const size_t count = std::min(out.size(), pieces_.size());
  std::copy_n(pieces_.begin(), count, out.begin());
  if (count > 0) {
    const std::span<const std::byte> first = current();
    out[0] = {const_cast<std::byte*>(first.data()), first.size()};
  }
  return count;
}

}  // namespace xpool::transport
