#include "base/clock.h"

#include <ctime>

namespace xpool {

int64_t MonotonicNowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * kNsPerSec + now.tv_nsec;
}

int64_t UnixNowNs() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return int64_t{now.tv_sec} * kNsPerSec + now.tv_nsec;
}

const Clock* Clock::Monotonic() {
  class SystemClock : public Clock {
   public:
    int64_t NowNs() const override { return MonotonicNowNs(); }
  };
  static const SystemClock* const clock = new SystemClock;
  return clock;
}

}  // namespace xpool
