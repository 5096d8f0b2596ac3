// Two connected ends of each kind of channel in one process, for tests and benchmarks. What cannot be made aborts.
#pragma once

#include <memory>

#include "transport/channel.h"
#include "transport/emulated_link.h"
#include "transport/ring_channel.h"

namespace xpool::transport {

struct ChannelPair {
  std::unique_ptr<Channel> left, right;
  std::shared_ptr<EmulatedLinkThread> link;  // between them, or nullptr
};

ChannelPair MakeUnixPair();
ChannelPair MakeTcpPair();  // over 127.0.0.1, plain
ChannelPair MakeRingPair(const RingOptions& options = {});
ChannelPair MakeEmulatedPair(const EmulatedLinkOptions& options);  // over Unix sockets

}  // namespace xpool::transport
