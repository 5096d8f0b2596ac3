// The suite of all channels over the kinds that need no TLS.
#include "transport/testing/channel_suite.h"

namespace xpool::transport {
namespace {

EmulatedLinkOptions ShortLink() {
  EmulatedLinkOptions options;
  options.latency_ns = 50 * kNsPerUs;
  options.jitter_ns = 20 * kNsPerUs;
  return options;
}

RingOptions SmallRing() {
  RingOptions options;
  options.ring_bytes = kLeastRingBytes;
  return options;
}

RingOptions SpinningRing() {
  RingOptions options;
  options.spin_rounds = 1000;
  return options;
}

INSTANTIATE_TEST_SUITE_P(All, ChannelSuite,
                         testing::Values(ChannelKind{"Unix", MakeUnixPair}, ChannelKind{"Tcp", MakeTcpPair},
                                         ChannelKind{"Ring", [] { return MakeRingPair(); }},
                                         ChannelKind{"SmallRing", [] { return MakeRingPair(SmallRing()); }},
                                         ChannelKind{"SpinningRing", [] { return MakeRingPair(SpinningRing()); }},
                                         ChannelKind{"EmulatedLink", [] { return MakeEmulatedPair(ShortLink()); }}),
                         NameOfKind);

}  // namespace
}  // namespace xpool::transport
