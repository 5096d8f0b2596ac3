// Unix SOCK_SEQPACKET sockets that carry one message with file descriptors at a time: message borders are the kernel's,
// so a half message cannot be mistaken for a whole one. Thread-safe as far as the descriptor is.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"

namespace xpool {

inline constexpr size_t kMaxPassedFds = 8;

struct PeerCredentials {
  pid_t pid = 0;  // 0: the peer lives in a pid namespace that is not ours
  uid_t uid = 0;
  gid_t gid = 0;
};

struct SocketMessage {
  std::vector<std::byte> bytes;  // empty: the peer closed
  std::vector<UniqueFd> fds;
};

// Binds and listens at |path| with file mode |mode|. A left-over socket nobody listens on is replaced; a live one is
// ALREADY_EXISTS.
absl::StatusOr<UniqueFd> ListenSeqPacket(const std::string& path, mode_t mode);

// Connects; NOT_FOUND or UNAVAILABLE when nobody listens, PERMISSION_DENIED when the file mode forbids it.
absl::StatusOr<UniqueFd> ConnectSeqPacket(const std::string& path);

// The same for SOCK_STREAM, a stream of bytes without messages. Connecting waits at most |timeout_ns| for a listener
// that takes no connections, then DEADLINE_EXCEEDED.
absl::StatusOr<UniqueFd> ListenStream(const std::string& path, mode_t mode);
absl::StatusOr<UniqueFd> ConnectStream(const std::string& path, int64_t timeout_ns);

// Accepts one connection (close-on-exec). UNAVAILABLE when a non-blocking listener has none.
absl::StatusOr<UniqueFd> AcceptConnection(int listener);

// Sends one message. UNAVAILABLE when the peer is gone or (non-blocking) its buffer is full; never raises SIGPIPE.
absl::Status SendMessage(int fd, std::span<const std::byte> bytes, std::span<const int> fds = {});

// Receives one message of at most |max_bytes|; a longer one is INVALID_ARGUMENT and lost. UNAVAILABLE when a
// non-blocking socket has none. All descriptors arrive close-on-exec.
absl::StatusOr<SocketMessage> ReceiveMessage(int fd, size_t max_bytes);

absl::StatusOr<PeerCredentials> GetPeerCredentials(int fd);

// A pidfd of the peer process as of connect time (SO_PEERPIDFD, Linux 6.5). UNIMPLEMENTED on older kernels.
absl::StatusOr<UniqueFd> GetPeerPidfd(int fd);

}  // namespace xpool
