#include "sim/fill_run.h"

#include <cmath>
#include <limits>

#include "scheduler/pool/placer.h"

namespace xpool::sim {

using scheduler::Demand;
using scheduler::NodeState;

namespace {

constexpr int64_t kObserveEach = 50;  // arrivals

// What is averaged is what a table with two decimals would say.
double InHundredths(double value) { return std::round(value * 100) / 100; }

class Buckets {
 public:
  void Add(double arrived_pct, double allocated_pct) {
    const auto bucket = static_cast<size_t>(std::nearbyint(arrived_pct));  // halves to the even one
    if (bucket >= sums_.size()) sums_.resize(bucket + 1);
    sums_[bucket].sum += InHundredths(allocated_pct);
    ++sums_[bucket].count;
  }
  std::vector<double> Means() const {
    std::vector<double> means;
    for (const Sum& of : sums_)
      means.push_back(of.count == 0 ? std::numeric_limits<double>::quiet_NaN() : of.sum / of.count);
    return means;
  }

 private:
  struct Sum {
    double sum = 0;
    int count = 0;
  };
  std::vector<Sum> sums_;
};

scheduler::NodeTable InRankOrder(const Cluster& cluster, const std::vector<uint32_t>& rank) {
  std::vector<size_t> order(cluster.nodes.size());
  for (size_t i = 0; i < rank.size(); ++i) order[rank[i]] = i;
  scheduler::NodeTable table;
  for (const size_t node : order) table.Add(cluster.nodes[node]);
  return table;
}

}  // namespace

FillCurve RunFill(const Cluster& cluster, const Workload& workload, const Arrivals& arrivals, scheduler::Policy* policy,
                  double until_pct) {
  const auto all_milli = static_cast<double>(cluster.compute_milli());
  scheduler::NodeTable nodes = InRankOrder(cluster, arrivals.rank);
  scheduler::Placer placer(policy);
  FillCurve curve;
  Buckets buckets;
  int64_t arrived_milli = 0, allocated_milli = 0;
  int64_t count = 0;
  for (const uint32_t place : arrivals.pods) {
    if (count++ % kObserveEach == 0) policy->Observe(nodes);
    const Demand& pod = workload.pods[place];
    arrived_milli += pod.compute_milli();
    if (const auto choice = placer.Place(nodes, pod); choice.has_value()) {
      NodeState after = nodes[choice->node];
      after.Take(pod, choice->cards);
      nodes.Set(choice->node, after);
      allocated_milli += pod.compute_milli();
      ++curve.placed;
    } else {
      ++curve.dropped;
    }
    const double arrived_pct = 100 * static_cast<double>(arrived_milli) / all_milli;
    if (arrived_pct > until_pct + 0.5) break;
    buckets.Add(arrived_pct, 100 * static_cast<double>(allocated_milli) / all_milli);
  }
  curve.allocated_pct = buckets.Means();
  return curve;
}

}  // namespace xpool::sim
