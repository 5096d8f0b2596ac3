#include "load.h"

#include <time.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <random>
#include <utility>

#include "base/clock.h"

namespace xpool::bench {
namespace {

// Kernels in flight, oldest first. Completions are seen by waiting for the oldest.
class Pipeline {
 public:
  Pipeline(Device& device, const LoadOptions& options, LoadResult& result)
      : device_(device), options_(options), result_(result) {}

  void Launch(uint32_t loops) {
    cl_event event;
    device_.Launch(options_.size, loops, &event);
    Check(clFlush(device_.queue()), "clFlush");
    events_.push_back(event);
    if (static_cast<int>(events_.size()) >= options_.depth) AwaitOldest();
  }

  void Drain() {
    while (!events_.empty()) AwaitOldest();
  }

 private:
  void AwaitOldest() {
    Check(clWaitForEvents(1, &events_.front()), "clWaitForEvents");
    const int64_t now_ns = MonotonicNowNs();
    const bool counts = now_ns >= options_.start_ns && now_ns < options_.end_ns;
    if (counts) result_.completed_ns.push_back(now_ns - options_.start_ns);
    if (counts && options_.log_kernels) result_.kernels.push_back(TimesOf(events_.front()));
    Check(clReleaseEvent(events_.front()), "clReleaseEvent");
    events_.pop_front();
  }

  static KernelTimes TimesOf(cl_event event) {
    KernelTimes times;
    for (const auto& [name, value] :
         {std::pair{CL_PROFILING_COMMAND_START, &times.start_ns}, std::pair{CL_PROFILING_COMMAND_END, &times.end_ns}}) {
      Check(clGetEventProfilingInfo(event, name, sizeof(*value), value, nullptr), "clGetEventProfilingInfo");
    }
    return times;
  }

  Device& device_;
  const LoadOptions& options_;
  LoadResult& result_;
  std::deque<cl_event> events_;
};

}  // namespace

void SleepUntil(int64_t at_ns) {
  const timespec at{at_ns / kNsPerSec, at_ns % kNsPerSec};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr) != 0) {
  }
}

LoadResult RunSteady(Device& device, const LoadOptions& options) {
  LoadResult result;
  Pipeline pipeline(device, options, result);
  for (int64_t now_ns; (now_ns = MonotonicNowNs()) < options.end_ns;) {
    if (now_ns >= options.pause_from_ns && now_ns < options.pause_to_ns) {
      pipeline.Drain();
      SleepUntil(std::min(options.pause_to_ns, options.end_ns));
      continue;
    }
    pipeline.Launch(options.loops);
  }
  pipeline.Drain();
  return result;
}

LoadResult RunBursty(Device& device, const LoadOptions& options) {
  LoadResult result;
  Pipeline pipeline(device, options, result);
  std::mt19937_64 random(options.seed);
  const auto exponential = [&](int64_t mean_ns) {
    const double u = static_cast<double>((random() >> 11) + 1) / 9007199254740993.0;  // (0, 1)
    return static_cast<int64_t>(-std::log(u) * static_cast<double>(mean_ns));
  };
  while (MonotonicNowNs() < options.end_ns) {
    const int64_t kernels = std::max<int64_t>(1, exponential(options.mean_burst_ns) / options.kernel_ns);
    for (int64_t i = 0; i < kernels && MonotonicNowNs() < options.end_ns; ++i) pipeline.Launch(options.loops);
    pipeline.Drain();
    SleepUntil(std::min(MonotonicNowNs() + exponential(options.mean_think_ns), options.end_ns));
  }
  return result;
}

LoadResult RunPeriodic(Device& device, const LoadOptions& options) {
  LoadResult result;
  for (int64_t due_ns = options.start_ns; due_ns < options.end_ns; due_ns += options.period_ns) {
    SleepUntil(due_ns);
    device.TimeLaunch(options.size, options.loops);
    const int64_t now_ns = MonotonicNowNs();
    result.latency_ns.push_back(now_ns - due_ns);
    if (now_ns < options.end_ns) result.completed_ns.push_back(now_ns - options.start_ns);
  }
  return result;
}

}  // namespace xpool::bench
