#include "transport/deadline.h"

#include <algorithm>
#include <cerrno>

#include "base/status.h"

namespace xpool::transport {

Deadline Deadline::After(const Clock* clock, int64_t duration_ns) {
  const int64_t now_ns = clock->NowNs();
  return Deadline(clock, duration_ns > kForeverNs - now_ns ? kForeverNs : now_ns + duration_ns);
}

int64_t Deadline::RemainingNs() const {
  if (at_ns_ == kForeverNs) return kForeverNs;
  return clock_ == nullptr ? 0 : std::max<int64_t>(at_ns_ - clock_->NowNs(), 0);
}

Deadline Deadline::Sooner(const Clock* clock, int64_t duration_ns) const {
  return RemainingNs() < duration_ns ? *this : After(clock, duration_ns);
}

Deadline Deadline::Part(int64_t parts, int64_t most_ns) const {
  const int64_t remaining_ns = RemainingNs();
  if (parts <= 1 || remaining_ns == 0) return *this;
  return After(clock_ != nullptr ? clock_ : Clock::Monotonic(), std::min(remaining_ns / parts, most_ns));
}

absl::StatusOr<int> PollUntil(std::span<pollfd> fds, const Deadline& deadline) {
  while (true) {
    const int64_t remaining_ns = deadline.RemainingNs();
    const timespec timeout{static_cast<time_t>(remaining_ns / kNsPerSec), static_cast<long>(remaining_ns % kNsPerSec)};
    const int ready = ppoll(fds.data(), fds.size(), remaining_ns == Deadline::kForeverNs ? nullptr : &timeout, nullptr);
    if (ready > 0 || (ready == 0 && remaining_ns == 0)) return ready;
    if (ready < 0 && errno != EINTR) return ErrnoStatus("poll");
    if (ready < 0 && remaining_ns == 0) return 0;
  }
}

}  // namespace xpool::transport
