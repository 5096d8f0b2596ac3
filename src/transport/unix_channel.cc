#include "transport/unix_channel.h"

#include <sys/socket.h>

#include "base/fd.h"
#include "base/status.h"
#include "base/unix_socket.h"
#include "transport/accept.h"
#include "transport/socket_channel.h"

namespace xpool::transport {
namespace {

std::string Who(const std::string& path) { return absl::StrCat("Unix socket ", path); }

}  // namespace

absl::StatusOr<std::pair<std::unique_ptr<Channel>, std::unique_ptr<Channel>>> UnixChannelPair() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) return ErrnoStatus("socketpair");
  return std::pair<std::unique_ptr<Channel>, std::unique_ptr<Channel>>(
      std::make_unique<SocketChannel>(UniqueFd(fds[0]), "Unix socket pair"),
      std::make_unique<SocketChannel>(UniqueFd(fds[1]), "Unix socket pair"));
}

absl::StatusOr<std::unique_ptr<Channel>> AdoptStreamSocket(UniqueFd socket, std::string who) {
  int type = 0;
  socklen_t size = sizeof(type);
  if (getsockopt(socket.get(), SOL_SOCKET, SO_TYPE, &type, &size) != 0)
    return ErrnoStatus(absl::StrCat("the descriptor for ", who, " is no socket"));
  sockaddr_storage peer;
  size = sizeof(peer);
  if (type != SOCK_STREAM || getpeername(socket.get(), reinterpret_cast<sockaddr*>(&peer), &size) != 0)
    return absl::InvalidArgumentError(absl::StrCat("the socket for ", who, " is not a connected stream socket"));
  return std::make_unique<SocketChannel>(std::move(socket), std::move(who));
}

absl::StatusOr<std::unique_ptr<Channel>> ConnectUnix(const std::string& path, const Deadline& deadline) {
  ASSIGN_OR_RETURN(UniqueFd socket, ConnectStream(path, deadline.RemainingNs()));
  return std::make_unique<SocketChannel>(std::move(socket), Who(path));
}

absl::StatusOr<std::unique_ptr<UnixListener>> UnixListener::Listen(const std::string& path, mode_t mode) {
  ASSIGN_OR_RETURN(UniqueFd socket, ListenStream(path, mode));
  RETURN_IF_ERROR(SetNonBlocking(socket.get()));
  return std::unique_ptr<UnixListener>(new UnixListener(std::move(socket), path));
}

absl::StatusOr<std::unique_ptr<Channel>> UnixListener::Accept(const Deadline& deadline) {
  ASSIGN_OR_RETURN(UniqueFd socket, AcceptSocket(deadline));
  return std::make_unique<SocketChannel>(std::move(socket), Who(path_));
}

absl::StatusOr<UniqueFd> UnixListener::AcceptSocket(const Deadline& deadline) {
  const std::string who = Who(path_);
  while (true) {
    if (closed_) return ClosedHereError(who);
    ASSIGN_OR_RETURN(UniqueFd connection, AcceptWaiting(socket_.get(), who));
    if (connection.valid()) return connection;
    pollfd polled{socket_.get(), POLLIN, 0};
    ASSIGN_OR_RETURN(const int events, PollUntil({&polled, 1}, deadline));
    if (events == 0) return NobodyConnectedError(who);
  }
}

void UnixListener::Close() {
  if (!closed_.exchange(true)) shutdown(socket_.get(), SHUT_RDWR);
}

}  // namespace xpool::transport
