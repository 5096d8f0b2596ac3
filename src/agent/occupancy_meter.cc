#include "agent/occupancy_meter.h"

#include <algorithm>
#include <cmath>

namespace xpool::agent {

void OccupancyMeter::Start(int64_t now_ns, int64_t demand_ns) {
  running_ = demand_ns >= 0;
  sampled_ = true;
  start_ns_ = now_ns;
  start_demand_ns_ = demand_ns;
}

void OccupancyMeter::End(int64_t now_ns, int64_t demand_ns, int64_t idle_ns, uint32_t cores) {
  const bool counts = running_ && demand_ns >= start_demand_ns_ && cores > 0;
  running_ = false;
  const int64_t busy_ns = now_ns - start_ns_ - idle_ns;
  if (!counts || busy_ns < kMinBusyNs) return;
  const double sample =
      std::clamp(static_cast<double>(demand_ns - start_demand_ns_) / (static_cast<double>(busy_ns) * cores), 0.01, 1.0);
  samples_[count_++ % kSamples] = sample;
  if (sample <= kWorthSharing || std::abs(sample - Median()) <= kAgree) measured_ns_ = now_ns;
}

double OccupancyMeter::Median() const {
  std::array<double, kSamples> sorted = samples_;
  const auto known = static_cast<std::ptrdiff_t>(std::min(count_, kSamples));
  std::sort(sorted.begin(), sorted.begin() + known);
  return sorted[static_cast<size_t>(known / 2)];
}

double OccupancyMeter::Value(int64_t now_ns) const {
  const double estimate = fresh(now_ns) ? Median() : 1;
  return estimate <= kWorthSharing ? estimate : 1;
}

}  // namespace xpool::agent
