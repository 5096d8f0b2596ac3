#include "sim/fill_run.h"

#include <cmath>
#include <limits>

#include "scheduler/pool/apart.h"
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

bool MayBeApart(const scheduler::PodSpec& pod) {
  return !pod.claims.empty() && pod.claims[0].locality != scheduler::Locality::kLocal;
}

scheduler::ApartDemand InParts(const Demand& pod, const scheduler::WorkerNeeds& worker) {
  return {{worker.cpu_milli, worker.memory_bytes, pod.cards}, {pod.cpu_milli, pod.memory_bytes, {}}};
}

// Places pods on a table of nodes, for good.
class Filler {
 public:
  Filler(const Cluster& cluster, const Workload& workload, const Arrivals& arrivals, scheduler::Policy* policy,
         const FillOptions& options)
      : workload_(workload),
        options_(options),
        policy_(*policy),
        nodes_(InRankOrder(cluster, arrivals.rank)),
        placer_(policy) {}

  const scheduler::NodeTable& nodes() const { return nodes_; }

  bool Place(uint32_t place, FillCurve* curve) {
    const Demand& pod = workload_.pods[place];
    const auto whole = placer_.Place(nodes_, pod);
    const bool may_be_apart = options_.remote && MayBeApart(workload_.specs[place]);
    if (may_be_apart && PlaceApart(pod, whole, curve)) return true;
    if (whole.has_value()) Take(pod, *whole);
    return whole.has_value();
  }

 private:
  // The cards on one node, with a worker, and the rest on another, where there is no better way.
  bool PlaceApart(const Demand& pod, const std::optional<scheduler::Choice>& whole, FillCurve* curve) {
    const scheduler::ApartDemand demand = InParts(pod, options_.worker);
    const auto any = [](scheduler::NodeIndex) { return true; };
    const auto apart = scheduler::PlaceApart(placer_, nodes_, demand, any, any);
    if (!apart.has_value()) return false;
    if (whole.has_value() &&
        !scheduler::IsBetterApart(policy_, nodes_, pod, *whole, demand, *apart, options_.network_cost))
      return false;
    Take(demand.lent, apart->lent);
    Take(demand.rest, apart->rest);
    ++curve->remote;
    curve->remote_cards += static_cast<double>(pod.compute_milli()) / 1000;
    return true;
  }

  void Take(const Demand& demand, const scheduler::Choice& choice) {
    NodeState after = nodes_[choice.node];
    after.Take(demand, choice.cards);
    nodes_.Set(choice.node, after);
  }

  const Workload& workload_;
  const FillOptions options_;
  const scheduler::Policy& policy_;
  scheduler::NodeTable nodes_;
  scheduler::Placer placer_;
};

}  // namespace

scheduler::Mix MixInParts(const Workload& workload, const scheduler::WorkerNeeds& worker) {
  std::vector<Demand> demands;
  for (size_t i = 0; i < workload.pods.size(); ++i) {
    if (MayBeApart(workload.specs[i])) {
      const scheduler::ApartDemand parts = InParts(workload.pods[i], worker);
      demands.insert(demands.end(), scheduler::kCountOfPod, parts.lent);
      demands.insert(demands.end(), scheduler::kCountOfRest, parts.rest);
    } else {
      demands.insert(demands.end(), scheduler::kCountOfPod, workload.pods[i]);
    }
  }
  for (Demand& demand : demands) demand.memory_bytes = 0;
  return scheduler::MixOf(demands);
}

FillCurve RunFill(const Cluster& cluster, const Workload& workload, const Arrivals& arrivals, scheduler::Policy* policy,
                  const FillOptions& options) {
  const auto all_milli = static_cast<double>(cluster.compute_milli());
  Filler filler(cluster, workload, arrivals, policy, options);
  FillCurve curve;
  Buckets buckets;
  int64_t arrived_milli = 0, allocated_milli = 0;
  int64_t count = 0;
  for (const uint32_t place : arrivals.pods) {
    if (count++ % kObserveEach == 0) policy->Observe(filler.nodes(), {});
    const int64_t asked_milli = workload.pods[place].compute_milli();
    arrived_milli += asked_milli;
    const bool placed = filler.Place(place, &curve);
    allocated_milli += placed ? asked_milli : 0;
    ++(placed ? curve.placed : curve.dropped);
    const double arrived_pct = 100 * static_cast<double>(arrived_milli) / all_milli;
    if (arrived_pct > options.until_pct + 0.5) break;
    buckets.Add(arrived_pct, 100 * static_cast<double>(allocated_milli) / all_milli);
  }
  curve.allocated_pct = buckets.Means();
  return curve;
}

}  // namespace xpool::sim
