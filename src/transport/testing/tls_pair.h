// Two connected ends of TLS over TCP in one process, for tests and benchmarks. What cannot be made aborts.
#pragma once

#include "transport/testing/channel_pairs.h"

namespace xpool::transport {

ChannelPair MakeTlsPair();

}  // namespace xpool::transport
