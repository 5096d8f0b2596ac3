#include "transport/testing/channel_pairs.h"

#include <sys/socket.h>

#include <array>
#include <cstdlib>
#include <utility>

#include "transport/tcp_channel.h"
#include "transport/unix_channel.h"

namespace xpool::transport {
namespace {

Deadline Soon() { return Deadline::After(Clock::Monotonic(), 10 * kNsPerSec); }

void Require(const absl::Status& status) {
  if (!status.ok()) std::abort();
}

}  // namespace

ChannelPair MakeUnixPair() {
  auto pair = UnixChannelPair().value();
  return {std::move(pair.first), std::move(pair.second), nullptr};
}

ChannelPair MakeTcpPair() {
  const std::unique_ptr<TcpListener> listener = TcpListener::Listen("127.0.0.1:0", {}).value();
  ChannelPair pair;
  pair.left = ConnectTcp(listener->address(), PlainTcp::kLoopbackOnly, Soon()).value();
  std::array<std::byte, 1> hello{};
  const iovec piece{hello.data(), hello.size()};
  Require(SendAll(*pair.left, {&piece, 1}, Soon()));
  pair.right = listener->Accept(Soon()).value();
  Require(ReceiveAll(*pair.right, hello, Soon()));
  return pair;
}

ChannelPair MakeRingPair(const RingOptions& options) {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) std::abort();
  ChannelPair pair;
  pair.left = RingChannel::Offer(UniqueFd(sockets[0]), options).value();
  pair.right = RingChannel::Accept(UniqueFd(sockets[1]), options, Soon()).value();
  return pair;
}

ChannelPair MakeEmulatedPair(const EmulatedLinkOptions& options) {
  ChannelPair near = MakeUnixPair(), far = MakeUnixPair();
  auto link = std::make_unique<EmulatedLink>(std::move(near.right), std::move(far.left), options);
  return {std::move(near.left), std::move(far.right), std::make_shared<EmulatedLinkThread>(std::move(link))};
}

}  // namespace xpool::transport
