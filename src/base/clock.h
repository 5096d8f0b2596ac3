// Time, injected: nothing outside src/base reads a clock directly. All times are CLOCK_MONOTONIC nanoseconds, which
// every process of a machine shares, so they may cross the control page.
#pragma once

#include <cstdint>

namespace xpool {

inline constexpr int64_t kNsPerUs = 1'000;
inline constexpr int64_t kNsPerMs = 1'000'000;
inline constexpr int64_t kNsPerSec = 1'000'000'000;

// CLOCK_MONOTONIC now. For the hot path of the shim, where a virtual call would cost as much as the reading.
int64_t MonotonicNowNs();

// The wall clock now, nanoseconds since 1970: for what people read (event times, creation dates), never for deciding.
int64_t UnixNowNs();

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t NowNs() const = 0;

  // The machine's monotonic clock. Never destroyed.
  static const Clock* Monotonic();
};

// A clock that moves only when told; for tests and simulations. Not thread-safe.
class ManualClock : public Clock {
 public:
  int64_t NowNs() const override { return now_ns_; }
  void Advance(int64_t ns) { now_ns_ += ns; }
  void Set(int64_t ns) { now_ns_ = ns; }

 private:
  int64_t now_ns_ = 0;
};

}  // namespace xpool
