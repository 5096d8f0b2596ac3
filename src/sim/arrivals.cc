#include "sim/arrivals.h"

#include <algorithm>
#include <numeric>

#include "sim/random.h"

namespace xpool::sim {
namespace {

std::vector<uint32_t> Shuffled(size_t count, Random& random) {
  std::vector<uint32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0u);
  for (size_t i = count; i > 1; --i) std::swap(numbers[i - 1], numbers[random.Below(i)]);
  return numbers;
}

}  // namespace

Arrivals DrawArrivals(const Cluster& cluster, const Workload& workload, int64_t seed, double until_pct) {
  Random random(static_cast<uint64_t>(seed));
  Arrivals arrivals{.pods = Shuffled(workload.pods.size(), random), .rank = Shuffled(cluster.nodes.size(), random)};
  const double wanted_milli = static_cast<double>(cluster.compute_milli()) * until_pct / 100;
  int64_t asked_milli = 0;
  for (const scheduler::Demand& pod : workload.pods) asked_milli += pod.compute_milli();
  if (asked_milli == 0) return {};
  while (static_cast<double>(asked_milli) < wanted_milli) {
    arrivals.pods.push_back(static_cast<uint32_t>(random.Below(workload.pods.size())));
    asked_milli += workload.pods[arrivals.pods.back()].compute_milli();
  }
  return arrivals;
}

}  // namespace xpool::sim
