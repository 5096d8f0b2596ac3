// How much of a CPU XPU one slice fills: the CPU time of its processes over lease time times cores. Only leases held
// alone count, since beside another holder a process gets less CPU than it would use; for the same reason an estimate
// grows old and must be measured alone again. Host threads count too, which errs on the side of exclusive leases.
//
// Pure and not thread-safe; the lease table owns one per slice.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace xpool::agent {

class OccupancyMeter {
 public:
  static constexpr int64_t kMinBusyNs = 2 * kNsPerMs;  // shorter leases tell nothing
  static constexpr int64_t kFreshNs = kNsPerSec;
  static constexpr int kMinSamples = 3;
  static constexpr double kWorthSharing = 0.75;

  void Start(int64_t now_ns, int64_t cpu_ns);
  // Somebody else has joined, or a process was lost: this lease does not count.
  void Spoil() { running_ = false; }
  bool running() const { return running_; }
  // The lease has ended; |idle_ns| of it nothing ran.
  void End(int64_t now_ns, int64_t cpu_ns, int64_t idle_ns, uint32_t cores);

  // In (0, 1]; 1 until known, and again when the last measurement is old.
  double Value(int64_t now_ns) const;

 private:
  bool running_ = false;
  int64_t start_ns_ = 0, start_cpu_ns_ = 0;
  double estimate_ = 1;
  int samples_ = 0;
  int64_t measured_ns_ = 0;
};

}  // namespace xpool::agent
