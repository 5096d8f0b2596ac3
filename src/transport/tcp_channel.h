// Channels over TCP, without delay for small sends (TCP_NODELAY) and with keep-alives, so that an idle connection to a
// dead machine ends after about half a minute. Plain TCP has neither secrecy nor authentication: it is refused for
// other addresses than loopback unless the caller says otherwise, which is for TLS on top and for network namespaces of
// one machine. Channels as in channel.h.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "transport/channel.h"
#include "transport/tcp_address.h"

namespace xpool::transport {

enum class PlainTcp {
  kLoopbackOnly,
  kAnywhere,  // the caller puts TLS on top, or was told explicitly that the network is safe
};

// Connects to "host:port". Every address of the name is tried in turn, each with its part of the time that is left; the
// error names them all. INVALID_ARGUMENT, NOT_FOUND (no such name), PERMISSION_DENIED (plain TCP to another machine),
// UNAVAILABLE, DEADLINE_EXCEEDED.
absl::StatusOr<std::unique_ptr<Channel>> ConnectTcp(std::string_view target, PlainTcp plain, const Deadline& deadline);

// The same for addresses that have been looked up, as a socket: for who passes it on to another process. REQUIRES: the
// caller has decided that plain TCP may go there.
absl::StatusOr<UniqueFd> ConnectTcpSocket(const std::vector<TcpAddress>& addresses, const Deadline& deadline);

struct TcpListenerOptions {
  PlainTcp plain = PlainTcp::kLoopbackOnly;
  // A connection counts as half open until its first bytes are here. Who sends none in time is dropped, and so is the
  // oldest silent one when there are too many: honest clients speak at once, so a flood of silent ones does not lock
  // them out.
  size_t first_bytes = 1;
  int64_t first_bytes_ns = 5 * kNsPerSec;
  size_t max_half_open = 64;
  const Clock* clock = Clock::Monotonic();
};

// The other end of a connected TCP socket: "TCP 10.0.0.2:7070".
std::string DescribeTcpPeer(int socket);

// Takes connections at one address. Accept is for one thread at a time; Close for any.
class TcpListener {
 public:
  static constexpr size_t kMostFirstBytes = 4096;

  // Listens at |address|, "IP:port", and nowhere else: a name is refused, [::] is IPv6 alone. Port 0 lets the system
  // choose. INVALID_ARGUMENT, PERMISSION_DENIED (plain TCP beyond loopback), or what bind says.
  static absl::StatusOr<std::unique_ptr<TcpListener>> Listen(std::string_view address,
                                                             const TcpListenerOptions& options);

  // The next connection that has sent its first bytes (they are still to be received). DEADLINE_EXCEEDED, CANCELLED;
  // RESOURCE_EXHAUSTED when descriptors have run out and there was no half-open connection to drop.
  absl::StatusOr<std::unique_ptr<Channel>> Accept(const Deadline& deadline);
  // The same as a socket, for who passes it on to another process.
  absl::StatusOr<UniqueFd> AcceptSocket(const Deadline& deadline);

  const std::string& address() const { return address_; }  // "127.0.0.1:7070", with the port the system chose
  size_t half_open() const { return half_open_.size(); }

  // Ends a waiting Accept and all later ones.
  void Close();

 private:
  struct HalfOpen {
    UniqueFd socket;
    int64_t until_ns;
  };
  enum class Opening { kSilent, kReady, kGone };

  TcpListener(UniqueFd socket, std::string address, const TcpListenerOptions& options)
      : socket_(std::move(socket)), address_(std::move(address)), options_(options) {}

  absl::Status TakeWaiting();
  absl::StatusOr<UniqueFd> TakeReady();
  absl::StatusOr<int> PollAll(const Deadline& deadline);
  Opening Look(int socket) const;
  bool DropOldestSilent();
  void DropLate();

  const UniqueFd socket_;
  const std::string address_;
  const TcpListenerOptions options_;
  std::deque<HalfOpen> half_open_;  // oldest first
  std::atomic<bool> closed_{false};
};

}  // namespace xpool::transport
