// Two connected ends of UCX beside a Unix socket in one process, for tests and benchmarks. What cannot be made aborts.
#pragma once

#include "transport/testing/channel_pairs.h"
#include "transport/ucx_channel.h"

namespace xpool::transport {

struct UcxPair {
  std::unique_ptr<UcxChannel> left, right;
};

UcxPair MakeUcxEnds(const UcxOptions& options);
ChannelPair MakeUcxPair(const UcxOptions& options);

}  // namespace xpool::transport
