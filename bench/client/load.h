// The loads that the benchmark client puts on a device in a window of time that several programs share.
#pragma once

#include <cstdint>
#include <vector>

#include "device.h"

namespace xpool::bench {

struct LoadOptions {
  Size size = Size::kDevice;
  uint32_t loops = 0;     // of one kernel
  int64_t kernel_ns = 0;  // what it takes alone
  int depth = 8;          // commands outstanding
  int64_t start_ns = 0;   // CLOCK_MONOTONIC
  int64_t end_ns = 0;
  int64_t pause_from_ns = 0;  // nothing is enqueued between the two
  int64_t pause_to_ns = 0;
  uint64_t seed = 1;
  int64_t mean_burst_ns = 0;
  int64_t mean_think_ns = 0;
  int64_t period_ns = 0;
  bool log_kernels = false;  // needs a profiling queue
};

// When a kernel ran, by the driver's clock, which all its processes share.
struct KernelTimes {
  uint64_t start_ns = 0;
  uint64_t end_ns = 0;
};

struct LoadResult {
  std::vector<int64_t> completed_ns;  // since the start of the window
  std::vector<int64_t> latency_ns;    // of periodic requests, from when each was due
  std::vector<KernelTimes> kernels;   // of those completed in the window, when asked for
};

// Keeps |depth| kernels outstanding.
LoadResult RunSteady(Device& device, const LoadOptions& options);

// Bursts of kernels and think time, both exponential, the same for a seed.
LoadResult RunBursty(Device& device, const LoadOptions& options);

// A request every period, waited for; a late one delays no other's due time.
LoadResult RunPeriodic(Device& device, const LoadOptions& options);

void SleepUntil(int64_t at_ns);

}  // namespace xpool::bench
