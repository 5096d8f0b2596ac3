// Until when something may take, on an injected clock; and poll() bounded by it.
#pragma once

#include <poll.h>

#include <cstdint>
#include <limits>
#include <span>

#include "absl/status/statusor.h"
#include "base/clock.h"

namespace xpool::transport {

// A point in time, copied freely. |clock| must outlive every copy.
class Deadline {
 public:
  static constexpr int64_t kForeverNs = std::numeric_limits<int64_t>::max();

  static Deadline Never() { return Deadline(nullptr, kForeverNs); }
  static Deadline Passed() { return Deadline(nullptr, 0); }  // ask, but do not wait
  static Deadline At(const Clock* clock, int64_t at_ns) { return Deadline(clock, at_ns); }
  static Deadline After(const Clock* clock, int64_t duration_ns);

  // 0 once it has passed, kForeverNs when it never does.
  int64_t RemainingNs() const;
  bool HasPassed() const { return RemainingNs() == 0; }

  // The earlier of this and |duration_ns| from now by |clock|.
  Deadline Sooner(const Clock* clock, int64_t duration_ns) const;

  // For one of |parts| attempts that are still to be made: its part of what is left, at most |most_ns|.
  Deadline Part(int64_t parts, int64_t most_ns) const;

 private:
  Deadline(const Clock* clock, int64_t at_ns) : clock_(clock), at_ns_(at_ns) {}

  const Clock* clock_;  // nullptr: |at_ns_| is 0 or kForeverNs
  int64_t at_ns_;
};

// poll() that is not ended by signals: how many of |fds| have events, 0 once |deadline| has passed. It sleeps in real
// time and asks the deadline's clock again after each sleep.
absl::StatusOr<int> PollUntil(std::span<pollfd> fds, const Deadline& deadline);

}  // namespace xpool::transport
