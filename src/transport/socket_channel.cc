#include "transport/socket_channel.h"

#include <sys/socket.h>

#include <algorithm>
#include <climits>
#include <system_error>

#include "base/status.h"

namespace xpool::transport {
namespace {

bool IsLoss(int error) {
  switch (error) {
    case ECONNRESET:
    case ECONNABORTED:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETUNREACH:
    case ENETDOWN:
    case ENETRESET:
      return true;
    default:
      return false;
  }
}

}  // namespace

absl::StatusOr<size_t> SocketChannel::Send(std::span<const iovec> pieces) {
  if (closed_) return ClosedHereError(who_);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());
  message.msg_iovlen = std::min<size_t>(pieces.size(), IOV_MAX);
  ssize_t sent;
  do {
    sent = sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return static_cast<size_t>(sent);
  if (errno == EAGAIN) return Full();
  return Failed(errno, "send to");
}

// Nothing fits. A peer that has closed will never make room, although the kernel may not say so by itself.
absl::StatusOr<size_t> SocketChannel::Full() const {
  pollfd polled{socket_.get(), POLLRDHUP, 0};
  if (poll(&polled, 1, 0) > 0 && (polled.revents & POLLRDHUP)) return PeerClosedError(who_);
  return 0;
}

absl::StatusOr<size_t> SocketChannel::Receive(std::span<std::byte> buffer) {
  if (closed_) return ClosedHereError(who_);
  if (buffer.empty()) return 0;
  ssize_t received;
  do {
    received = recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  } while (received < 0 && errno == EINTR);
  if (received > 0) return static_cast<size_t>(received);
  if (received == 0) return closed_ ? ClosedHereError(who_) : PeerClosedError(who_);
  if (errno == EAGAIN) return 0;
  return Failed(errno, "receive from");
}

absl::Status SocketChannel::Failed(int error, const char* doing) const {
  if (closed_) return ClosedHereError(who_);
  if (error == EPIPE) return PeerClosedError(who_);
  const std::string what = absl::StrCat("cannot ", doing, " ", who_);
  if (IsLoss(error)) {
    return absl::UnavailableError(
        absl::StrCat(what, ": the connection was lost (", std::system_category().message(error), "); connect again"));
  }
  return absl::ErrnoToStatus(error, what);
}

PollTarget SocketChannel::PollFor(Interest interest) {
  PollTarget target{socket_.get(), POLLRDHUP, closed_};
  if (interest.receive) target.events |= POLLIN;
  if (interest.send) target.events |= POLLOUT;
  return target;
}

// The descriptor stays open until the channel goes: another thread may be in poll() on it.
void SocketChannel::Close() {
  if (!closed_.exchange(true)) shutdown(socket_.get(), SHUT_RDWR);
}

}  // namespace xpool::transport
