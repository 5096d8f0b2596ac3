// Holds one client to its limit: tokens are nanoseconds of lease, filled at the rate of the limit, spent while the
// client holds. A lease is allowed once the bucket covers all of it, so the limit is passed only by what a command
// overruns its lease, and that is debt: the next lease waits until it is paid.
//
// Used by the arbiter only; pure, not thread-safe.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/share.h"

namespace xpool::arbiter {

class TokenBucket {
 public:
  // |longest_ns|: of a lease. A resize keeps what was spent; a bucket that had no limit before starts ready for one.
  void Configure(Share limit, int64_t longest_ns) {
    const bool was_limited = limited();
    rate_ = std::clamp(limit.fraction(), 0.0, 1.0);
    burst_ns_ = static_cast<double>(longest_ns);
    tokens_ns_ = was_limited ? std::min(tokens_ns_, burst_ns_) : CostNs(longest_ns);
  }

  bool limited() const { return rate_ < 1; }

  // |active|: it wants the XPU or holds it. What it saves up while others keep it waiting is its own (else a strict
  // slice beside long kernels would never reach its share); what it saves up by doing nothing is a burst at most.
  void Advance(int64_t elapsed_ns, bool active, bool holding) {
    if (!limited()) return;
    const double elapsed = static_cast<double>(elapsed_ns);
    const double most_ns = burst_ns_ * (active ? kKeptWaiting : 1);
    tokens_ns_ = std::min(most_ns, tokens_ns_ + elapsed * rate_ - (holding ? elapsed : 0));
  }

  bool AllowsLease(int64_t length_ns) const { return AllowsRenewal(0, length_ns); }

  // May a lease with |remaining_ns| to go be prolonged by |length_ns|?
  bool AllowsRenewal(int64_t remaining_ns, int64_t length_ns) const {
    return !limited() || tokens_ns_ >= CostNs(remaining_ns + length_ns) - kRoundingNs;
  }

  // How long until AllowsLease(), without a lease meanwhile; about a year when the limit is nil.
  int64_t NsUntilLease(int64_t length_ns) const {
    if (AllowsLease(length_ns)) return 0;
    const double wait_ns = (CostNs(length_ns) - tokens_ns_) / std::max(rate_, 1e-6);
    return static_cast<int64_t>(std::ceil(std::min(wait_ns, kLongestWaitNs)));
  }

  int64_t debt_ns() const { return limited() ? static_cast<int64_t>(std::max(0.0, -tokens_ns_)) : 0; }

 private:
  static constexpr double kRoundingNs = 0.5;
  static constexpr double kKeptWaiting = 10;
  static constexpr double kLongestWaitNs = 3e16;

  // What a lease costs net of the refill during it.
  double CostNs(int64_t length_ns) const { return static_cast<double>(length_ns) * (1 - rate_); }

  double rate_ = 1;
  double burst_ns_ = 0;
  double tokens_ns_ = 0;
};

}  // namespace xpool::arbiter
