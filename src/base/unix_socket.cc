#include "base/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "base/status.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

namespace xpool {
namespace {

absl::StatusOr<sockaddr_un> SocketAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(
        absl::StrCat("socket path \"", path, "\" must have 1 to ", sizeof(address.sun_path) - 1, " bytes"));
  }
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

absl::StatusOr<UniqueFd> NewSocket(int type) {
  UniqueFd fd(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus("socket(AF_UNIX)");
  return fd;
}

// Waits at most |timeout_ns| (0: for as long as it takes) for a listener whose queue is full.
absl::StatusOr<UniqueFd> Connect(const std::string& path, int type, int64_t timeout_ns) {
  ASSIGN_OR_RETURN(const sockaddr_un address, SocketAddress(path));
  ASSIGN_OR_RETURN(UniqueFd fd, NewSocket(type));
  const timeval timeout{timeout_ns / kNsPerSec, timeout_ns % kNsPerSec / kNsPerUs};
  if (setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) != 0)
    return ErrnoStatus("setsockopt(SO_SNDTIMEO)");
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
  switch (errno) {
    case ECONNREFUSED:
      return absl::UnavailableError(absl::StrCat("nobody listens on ", path));
    case EAGAIN:
      return absl::DeadlineExceededError(absl::StrCat("who listens on ", path, " takes no connections"));
    case EPROTOTYPE:
      return absl::FailedPreconditionError(absl::StrCat(path, " is a socket of another type"));
    default:
      return ErrnoStatus(absl::StrCat("connect ", path));
  }
}

absl::StatusOr<UniqueFd> Listen(const std::string& path, int type, mode_t mode) {
  ASSIGN_OR_RETURN(const sockaddr_un address, SocketAddress(path));
  const absl::Status probe = Connect(path, type, 0).status();
  if (probe.ok() || absl::IsFailedPrecondition(probe))
    return absl::AlreadyExistsError(absl::StrCat("somebody already listens on ", path));
  struct stat info;
  if (lstat(path.c_str(), &info) == 0) {
    if (!S_ISSOCK(info.st_mode))
      return absl::AlreadyExistsError(absl::StrCat(path, " exists and is no socket; move it away"));
    unlink(path.c_str());
  }
  ASSIGN_OR_RETURN(UniqueFd fd, NewSocket(type));
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return ErrnoStatus(absl::StrCat("bind ", path));
  if (chmod(path.c_str(), mode) != 0) return ErrnoStatus(absl::StrCat("chmod ", path));
  if (listen(fd.get(), SOMAXCONN) != 0) return ErrnoStatus(absl::StrCat("listen ", path));
  return fd;
}

}  // namespace

absl::StatusOr<UniqueFd> ListenSeqPacket(const std::string& path, mode_t mode) {
  return Listen(path, SOCK_SEQPACKET, mode);
}

absl::StatusOr<UniqueFd> ConnectSeqPacket(const std::string& path) { return Connect(path, SOCK_SEQPACKET, 0); }

absl::StatusOr<UniqueFd> ListenStream(const std::string& path, mode_t mode) { return Listen(path, SOCK_STREAM, mode); }

absl::StatusOr<UniqueFd> ConnectStream(const std::string& path, int64_t timeout_ns) {
  constexpr int64_t kLongestNs = 24 * 3600 * kNsPerSec;
  return Connect(path, SOCK_STREAM, std::clamp<int64_t>(timeout_ns, kNsPerUs, kLongestNs));
}

absl::StatusOr<UniqueFd> AcceptConnection(int listener) {
  UniqueFd fd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  if (fd.valid()) return fd;
  if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR) return absl::UnavailableError("no connection waits");
  return ErrnoStatus("accept");
}

absl::Status SendMessage(int fd, std::span<const std::byte> bytes, std::span<const int> fds) {
  if (fds.size() > kMaxPassedFds) return absl::InvalidArgumentError("too many descriptors in one message");
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxPassedFds)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  ssize_t sent;
  do {
    sent = sendmsg(fd, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return absl::OkStatus();
  if (errno == EAGAIN || errno == EPIPE || errno == ECONNRESET)
    return absl::UnavailableError("the peer is gone or does not read");
  return ErrnoStatus("sendmsg");
}

absl::StatusOr<SocketMessage> ReceiveMessage(int fd, size_t max_bytes) {
  SocketMessage result;
  result.bytes.resize(max_bytes);
  iovec part{result.bytes.data(), max_bytes};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxPassedFds)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t received;
  do {
    received = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  } while (received < 0 && errno == EINTR);
  if (received < 0) {
    if (errno == EAGAIN) return absl::UnavailableError("no message waits");
    if (errno != ECONNRESET) return ErrnoStatus("recvmsg");
    received = 0;
  }
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int passed;
      memcpy(&passed, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
      result.fds.emplace_back(passed);
    }
  }
  if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the peer sent a message of more than ", max_bytes, " bytes or too many descriptors"));
  }
  result.bytes.resize(static_cast<size_t>(received));
  return result;
}

absl::StatusOr<PeerCredentials> GetPeerCredentials(int fd) {
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return ErrnoStatus("getsockopt(SO_PEERCRED)");
  return PeerCredentials{credentials.pid, credentials.uid, credentials.gid};
}

absl::StatusOr<UniqueFd> GetPeerPidfd(int fd) {
  int pidfd = -1;
  socklen_t size = sizeof(pidfd);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) != 0) {
    if (errno == ENOPROTOOPT) return absl::UnimplementedError("this kernel has no SO_PEERPIDFD");
    return ErrnoStatus("getsockopt(SO_PEERPIDFD)");
  }
  return UniqueFd(pidfd);
}

}  // namespace xpool
