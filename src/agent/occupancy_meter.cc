#include "agent/occupancy_meter.h"

#include <algorithm>

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
  // Up at once, down slowly: too high costs some throughput, too low takes from others' shares.
  if (samples_ == 0 || sample > estimate_) {
    estimate_ = sample;
  } else {
    estimate_ += (sample - estimate_) / 4;
  }
  samples_ = std::min(samples_ + 1, kMinSamples);
  measured_ns_ = now_ns;
}

double OccupancyMeter::Value(int64_t now_ns) const {
  const bool known = samples_ >= kMinSamples && now_ns - measured_ns_ < kFreshNs;
  return known && estimate_ <= kWorthSharing ? estimate_ : 1;
}

}  // namespace xpool::agent
