// How much of a CPU XPU one slice fills: the CPU demand of its processes (time they ran, and time they stood in a run
// queue) over lease time times cores. Time in the queue counts because programs outside of the pool may keep the cores
// busy: CPU time alone would make a program that fills the device look like half of one. Only leases held alone count,
// since beside another holder the two wait for each other; so an estimate grows old and must be measured alone again.
// Host threads count too, which errs on the side of exclusive leases. A demand that shrinks (a thread has exited, and
// what it waited went with it) tells nothing, and neither does one that could not be read.
//
// Pure and not thread-safe; the lease table owns one per slice.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace xpool::agent {

class OccupancyMeter {
 public:
  static constexpr int64_t kMinBusyNs = 2 * kNsPerMs;  // shorter leases tell nothing
  static constexpr int64_t kFreshNs = 2 * kNsPerSec;
  static constexpr int64_t kSampleEveryNs = 50 * kNsPerMs;  // a reading costs about 100 us
  static constexpr int64_t kSampleSoonNs = 8 * kNsPerMs;    // while the samples do not agree
  static constexpr size_t kSamples = 3;
  static constexpr double kAgree = 0.15;
  static constexpr double kWorthSharing = 0.85;

  // Whether it is time for another sample; most leases go unmeasured.
  bool due(int64_t now_ns) const {
    return !sampled_ || now_ns - start_ns_ >= (fresh(now_ns) ? kSampleEveryNs : kSampleSoonNs);
  }
  // |demand_ns|: counted from whenever; -1: not known.
  void Start(int64_t now_ns, int64_t demand_ns);
  // Somebody else has joined, or a process was lost: this lease does not count.
  void Spoil() { running_ = false; }
  bool running() const { return running_; }
  // The lease has ended; |idle_ns| of it nothing ran.
  void End(int64_t now_ns, int64_t demand_ns, int64_t idle_ns, uint32_t cores);

  // The median of the last samples, in (0, 1]; 1 until known, and again when the last one that was small, or agreed
  // with it, is old. So a sample that others have disturbed changes nothing, and a program that has grown is known by
  // its second sample.
  double Value(int64_t now_ns) const;
  // When what is known now will be too old.
  int64_t fresh_until_ns() const { return measured_ns_ + kFreshNs; }

 private:
  bool fresh(int64_t now_ns) const { return count_ >= kSamples && now_ns < fresh_until_ns(); }
  double Median() const;

  bool running_ = false, sampled_ = false;
  int64_t start_ns_ = 0, start_demand_ns_ = 0;
  std::array<double, kSamples> samples_{};  // a ring
  size_t count_ = 0;
  int64_t measured_ns_ = 0;
};

}  // namespace xpool::agent
