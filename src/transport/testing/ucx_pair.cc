#include "transport/testing/ucx_pair.h"

#include <thread>
#include <utility>

namespace xpool::transport {

UcxPair MakeUcxEnds(const UcxOptions& options) {
  const Deadline deadline = Deadline::After(Clock::Monotonic(), 30 * kNsPerSec);
  ChannelPair control = MakeUnixPair();
  UcxPair pair;
  std::thread right([&] { pair.right = UcxChannel::Upgrade(std::move(control.right), options, deadline).value(); });
  pair.left = UcxChannel::Upgrade(std::move(control.left), options, deadline).value();
  right.join();
  return pair;
}

ChannelPair MakeUcxPair(const UcxOptions& options) {
  UcxPair ends = MakeUcxEnds(options);
  return {std::move(ends.left), std::move(ends.right), nullptr};
}

}  // namespace xpool::transport
