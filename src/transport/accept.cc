#include "transport/accept.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <system_error>

#include "base/status.h"

namespace xpool::transport {

absl::Status SetNonBlocking(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return ErrnoStatus("fcntl(O_NONBLOCK)");
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> AcceptWaiting(int listener, const std::string& where) {
  UniqueFd connection(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (connection.valid()) return connection;
  switch (errno) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return absl::ResourceExhaustedError(absl::StrCat("cannot take a connection at ", where, ": ",
                                                       std::system_category().message(errno),
                                                       "; close some, or raise the limit (ulimit -n)"));
    case EBADF:
    case ENOTSOCK:
    case EOPNOTSUPP:
      return ErrnoStatus(absl::StrCat("accept at ", where));
    default:
      return UniqueFd();  // gone again, a signal, shut down, or an error of that one connection
  }
}

absl::Status NobodyConnectedError(const std::string& where) {
  return absl::DeadlineExceededError(absl::StrCat("nobody connected to ", where, " in time"));
}

}  // namespace xpool::transport
