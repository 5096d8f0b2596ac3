// Channels over Unix stream sockets: between processes of one machine, and between a parent and what it forks.
// Listeners are thread-compatible, except that Close may be called from any thread; channels as in channel.h.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "base/fd.h"
#include "transport/channel.h"

namespace xpool::transport {

// Two connected ends in this process.
absl::StatusOr<std::pair<std::unique_ptr<Channel>, std::unique_ptr<Channel>>> UnixChannelPair();

// A connected stream socket that came from elsewhere (inherited, or passed over another socket). |who| is the other
// end, for messages. INVALID_ARGUMENT when it is no connected stream socket.
absl::StatusOr<std::unique_ptr<Channel>> AdoptStreamSocket(UniqueFd socket, std::string who);

// NOT_FOUND or UNAVAILABLE when nobody listens at |path|, DEADLINE_EXCEEDED when the listener does not take
// connections.
absl::StatusOr<std::unique_ptr<Channel>> ConnectUnix(const std::string& path, const Deadline& deadline);

class UnixListener {
 public:
  // Listens at |path| with file mode |mode|. A left-over socket nobody listens on is replaced; a live one is
  // ALREADY_EXISTS. The path stays when the listener goes.
  static absl::StatusOr<std::unique_ptr<UnixListener>> Listen(const std::string& path, mode_t mode);

  // The next connection. Who may connect is a matter of the file mode; who did, of GetPeerCredentials().
  // DEADLINE_EXCEEDED, CANCELLED; RESOURCE_EXHAUSTED when this process has no descriptors left.
  absl::StatusOr<std::unique_ptr<Channel>> Accept(const Deadline& deadline);

  // The same as a socket, for who passes it on to another process.
  absl::StatusOr<UniqueFd> AcceptSocket(const Deadline& deadline);

  // Readable when a connection waits.
  int fd() const { return socket_.get(); }

  // Ends a waiting Accept and all later ones.
  void Close();

 private:
  UnixListener(UniqueFd socket, std::string path) : socket_(std::move(socket)), path_(std::move(path)) {}

  const UniqueFd socket_;
  const std::string path_;
  std::atomic<bool> closed_{false};
};

}  // namespace xpool::transport
