#include "transport/tcp_channel.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <system_error>

#include "base/status.h"
#include "transport/accept.h"
#include "transport/socket_channel.h"

namespace xpool::transport {
namespace {

constexpr int kKeepIdleS = 15, kKeepIntervalS = 5, kKeepProbes = 3;
// One address that swallows packets must not use up the time of those after it.
constexpr int64_t kMostPerAddressNs = 30 * kNsPerSec;

absl::Status SetOption(int fd, int level, int name, int value, const char* what) {
  if (setsockopt(fd, level, name, &value, sizeof(value)) == 0) return absl::OkStatus();
  return ErrnoStatus(absl::StrCat("setsockopt(", what, ")"));
}

absl::Status SetUp(int fd) {
  RETURN_IF_ERROR(SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY"));
  RETURN_IF_ERROR(SetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1, "SO_KEEPALIVE"));
  RETURN_IF_ERROR(SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepIdleS, "TCP_KEEPIDLE"));
  RETURN_IF_ERROR(SetOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepIntervalS, "TCP_KEEPINTVL"));
  return SetOption(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepProbes, "TCP_KEEPCNT");
}

absl::StatusOr<UniqueFd> NewSocket(const TcpAddress& address) {
  UniqueFd fd(socket(address.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoStatus("socket(SOCK_STREAM)");
  return fd;
}

absl::Status PlainRefused(const std::string& address) {
  return absl::PermissionDeniedError(absl::StrCat("plain TCP is for loopback addresses and ", address,
                                                  " is none; use TLS, or allow plain TCP explicitly"));
}

absl::Status ConnectFailed(int error) { return absl::UnavailableError(std::system_category().message(error)); }

absl::StatusOr<UniqueFd> ConnectOne(const TcpAddress& address, const Deadline& deadline) {
  ASSIGN_OR_RETURN(UniqueFd fd, NewSocket(address));
  RETURN_IF_ERROR(SetUp(fd.get()));
  if (connect(fd.get(), address.get(), address.size) == 0) return fd;
  if (errno != EINPROGRESS && errno != EINTR) return ConnectFailed(errno);
  pollfd polled{fd.get(), POLLOUT, 0};
  ASSIGN_OR_RETURN(const int events, PollUntil({&polled, 1}, deadline));
  if (events == 0) return absl::DeadlineExceededError("no answer in time");
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) return ErrnoStatus("getsockopt(SO_ERROR)");
  if (error != 0) return ConnectFailed(error);
  return fd;
}

struct Reached {
  UniqueFd socket;
  std::string address;
};

// The first of |addresses| that answers. The error says why each of them did not: "ADDRESS: why; ADDRESS: why".
absl::StatusOr<Reached> ConnectFirst(const std::vector<TcpAddress>& addresses, PlainTcp plain,
                                     const Deadline& deadline) {
  absl::Status last = absl::UnavailableError("no address");
  std::string tried;
  for (size_t i = 0; i < addresses.size(); ++i) {
    const std::string address = addresses[i].ToString();
    if (plain == PlainTcp::kLoopbackOnly && !addresses[i].IsLoopback()) {
      last = PlainRefused(address);
    } else {
      const Deadline part = deadline.Part(static_cast<int64_t>(addresses.size() - i), kMostPerAddressNs);
      absl::StatusOr<UniqueFd> fd = ConnectOne(addresses[i], part);
      if (fd.ok()) return Reached{*std::move(fd), address};
      last = fd.status();
    }
    absl::StrAppend(&tried, tried.empty() ? "" : "; ", address, ": ", last.message());
  }
  return absl::Status(last.code(), tried);
}

}  // namespace

std::string DescribeTcpPeer(int socket) {
  TcpAddress peer;
  peer.size = sizeof(peer.address);
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&peer.address), &peer.size) != 0) return "TCP peer";
  return absl::StrCat("TCP ", peer.ToString());
}

absl::StatusOr<std::unique_ptr<Channel>> ConnectTcp(std::string_view target, PlainTcp plain, const Deadline& deadline) {
  ASSIGN_OR_RETURN(const HostPort host_port, ParseHostPort(target));
  ASSIGN_OR_RETURN(const std::vector<TcpAddress> addresses, Resolve(host_port));
  absl::StatusOr<Reached> reached = ConnectFirst(addresses, plain, deadline);
  if (reached.ok())
    return std::make_unique<SocketChannel>(std::move(reached->socket), absl::StrCat("TCP ", reached->address));
  return absl::Status(reached.status().code(),
                      absl::StrCat("cannot connect to ", std::string(target), " (", reached.status().message(),
                                   "); is xpoold running there, and does the network let it through?"));
}

absl::StatusOr<UniqueFd> ConnectTcpSocket(const std::vector<TcpAddress>& addresses, const Deadline& deadline) {
  absl::StatusOr<Reached> reached = ConnectFirst(addresses, PlainTcp::kAnywhere, deadline);
  if (reached.ok()) return std::move(reached->socket);
  return absl::Status(reached.status().code(), absl::StrCat("cannot connect to ", reached.status().message()));
}

absl::StatusOr<std::unique_ptr<TcpListener>> TcpListener::Listen(std::string_view address,
                                                                 const TcpListenerOptions& options) {
  if (options.first_bytes == 0 || options.first_bytes > kMostFirstBytes || options.max_half_open == 0)
    return absl::InvalidArgumentError("a TCP listener needs first_bytes from 1 to 4096 and max_half_open from 1");
  ASSIGN_OR_RETURN(const HostPort host_port, ParseHostPort(address));
  ASSIGN_OR_RETURN(TcpAddress bound, ResolveNumeric(host_port));
  if (options.plain == PlainTcp::kLoopbackOnly && !bound.IsLoopback()) return PlainRefused(bound.ToString());
  ASSIGN_OR_RETURN(UniqueFd fd, NewSocket(bound));
  RETURN_IF_ERROR(SetOption(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR"));
  if (bound.address.ss_family == AF_INET6)
    RETURN_IF_ERROR(SetOption(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY"));
  if (bind(fd.get(), bound.get(), bound.size) != 0) return ErrnoStatus(absl::StrCat("bind ", bound.ToString()));
  if (listen(fd.get(), SOMAXCONN) != 0) return ErrnoStatus(absl::StrCat("listen ", bound.ToString()));
  if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound.address), &bound.size) != 0)
    return ErrnoStatus("getsockname");
  return std::unique_ptr<TcpListener>(new TcpListener(std::move(fd), bound.ToString(), options));
}

absl::StatusOr<std::unique_ptr<Channel>> TcpListener::Accept(const Deadline& deadline) {
  ASSIGN_OR_RETURN(UniqueFd socket, AcceptSocket(deadline));
  std::string who = DescribeTcpPeer(socket.get());
  return std::make_unique<SocketChannel>(std::move(socket), std::move(who));
}

absl::StatusOr<UniqueFd> TcpListener::AcceptSocket(const Deadline& deadline) {
  while (true) {
    if (closed_) return ClosedHereError(absl::StrCat("TCP listener ", address_));
    DropLate();
    RETURN_IF_ERROR(TakeWaiting());
    ASSIGN_OR_RETURN(UniqueFd ready, TakeReady());
    if (ready.valid()) return ready;
    ASSIGN_OR_RETURN(const int events, PollAll(deadline));
    if (events == 0 && deadline.HasPassed()) return NobodyConnectedError(absl::StrCat("TCP ", address_));
  }
}

// Moves the kernel's queue into ours, at most one full set of half-open connections at a time.
absl::Status TcpListener::TakeWaiting() {
  for (size_t i = 0; i < options_.max_half_open; ++i) {
    absl::StatusOr<UniqueFd> fd = AcceptWaiting(socket_.get(), absl::StrCat("TCP ", address_));
    if (!fd.ok()) {
      if (!DropOldestSilent()) return half_open_.empty() ? fd.status() : absl::OkStatus();
      continue;  // a descriptor came back
    }
    if (!fd->valid()) return absl::OkStatus();
    if (!SetUp(fd->get()).ok()) continue;  // it is gone already
    const int low_water = static_cast<int>(options_.first_bytes);
    if (!SetOption(fd->get(), SOL_SOCKET, SO_RCVLOWAT, low_water, "SO_RCVLOWAT").ok()) continue;
    const bool room = half_open_.size() < options_.max_half_open || DropOldestSilent();
    half_open_.push_back({std::move(*fd), options_.clock->NowNs() + options_.first_bytes_ns});
    if (!room) return absl::OkStatus();  // all have spoken: the others wait in the kernel meanwhile
  }
  return absl::OkStatus();
}

bool TcpListener::DropOldestSilent() {
  const auto silent = std::find_if(half_open_.begin(), half_open_.end(), [this](const HalfOpen& connection) {
    return Look(connection.socket.get()) != Opening::kReady;
  });
  if (silent == half_open_.end()) return false;
  half_open_.erase(silent);
  return true;
}

TcpListener::Opening TcpListener::Look(int socket) const {
  std::array<std::byte, kMostFirstBytes> peeked;
  const ssize_t size = recv(socket, peeked.data(), options_.first_bytes, MSG_PEEK | MSG_DONTWAIT);
  if (size >= static_cast<ssize_t>(options_.first_bytes)) return Opening::kReady;
  if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) return Opening::kGone;
  pollfd polled{socket, POLLRDHUP, 0};
  return poll(&polled, 1, 0) > 0 ? Opening::kGone : Opening::kSilent;  // it can send no more than it has
}

absl::StatusOr<UniqueFd> TcpListener::TakeReady() {
  for (auto it = half_open_.begin(); it != half_open_.end();) {
    const Opening opening = Look(it->socket.get());
    if (opening == Opening::kSilent) {
      ++it;
      continue;
    }
    UniqueFd socket = std::move(it->socket);
    it = half_open_.erase(it);
    if (opening == Opening::kGone) continue;
    RETURN_IF_ERROR(SetOption(socket.get(), SOL_SOCKET, SO_RCVLOWAT, 1, "SO_RCVLOWAT"));
    return socket;
  }
  return UniqueFd();
}

absl::StatusOr<int> TcpListener::PollAll(const Deadline& deadline) {
  std::vector<pollfd> polled{{socket_.get(), POLLIN, 0}};
  for (const HalfOpen& connection : half_open_) polled.push_back({connection.socket.get(), POLLIN | POLLRDHUP, 0});
  if (half_open_.empty()) return PollUntil(polled, deadline);
  const int64_t oldest_ns = half_open_.front().until_ns - options_.clock->NowNs();
  return PollUntil(polled, deadline.Sooner(options_.clock, std::max<int64_t>(oldest_ns, 0)));
}

void TcpListener::DropLate() {
  const int64_t now_ns = options_.clock->NowNs();
  std::erase_if(half_open_, [this, now_ns](const HalfOpen& connection) {
    return connection.until_ns <= now_ns && Look(connection.socket.get()) != Opening::kReady;
  });
}

void TcpListener::Close() {
  if (!closed_.exchange(true)) shutdown(socket_.get(), SHUT_RDWR);
}

}  // namespace xpool::transport
