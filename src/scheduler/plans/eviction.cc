#include "scheduler/plans/eviction.h"

#include <algorithm>
#include <map>

namespace xpool::scheduler {

double CostOfStopping(const PoolState& pool, PodId pod, int64_t since_ns, int64_t now_ns) {
  constexpr double kHourNs = 3.6e12;
  int64_t milli = 0;
  for (const ClaimId claim : pool.pod(pod).claims) {
    const ClaimRecord& record = pool.claim(claim);
    if (record.place.has_value()) milli += Demand{.cards = record.place->requests}.compute_milli();
  }
  const double hours = static_cast<double>(std::max<int64_t>(0, now_ns - since_ns)) / kHourNs;
  const double priority = std::max(0, pool.pod(pod).spec.priority);
  return (1 + static_cast<double>(milli) / 1000 * hours) * (1 + priority / 100);
}

std::optional<EvictionPlan> PlanEviction(const PoolState& pool, const TopologyTree& tree, const ClearingWish& wish,
                                         int32_t priority, int64_t now_ns, const EvictionOptions& options,
                                         absl::FunctionRef<bool(NodeIndex)> accepts,
                                         absl::FunctionRef<int64_t(PodId)> since_of) {
  std::vector<GoingUnit> units;
  std::map<std::string, GoingUnit> gangs;
  std::map<std::string, bool> gang_may_go;
  for (PodId pod = 0; pod < pool.pod_slots(); ++pod) {
    const PodRecord& record = pool.pod(pod);
    if (!record.exists || record.phase == PodPhase::kPending) continue;
    const bool may_go = record.spec.preemptible && record.spec.priority < priority &&
                        now_ns - since_of(pod) >= options.least_runtime_ns;
    const double cost = CostOfStopping(pool, pod, since_of(pod), now_ns);
    if (record.spec.gang.name.empty()) {
      if (may_go) units.push_back({{pod}, cost});
      continue;
    }
    GoingUnit& gang = gangs[record.spec.gang.name];
    gang.pods.push_back(pod);
    gang.cost += cost;
    const auto known = gang_may_go.try_emplace(record.spec.gang.name, true).first;
    known->second = known->second && may_go;
  }
  for (auto& [name, gang] : gangs) {
    if (gang_may_go[name]) units.push_back(std::move(gang));
  }
  const std::optional<Clearing> clearing = FindClearing(pool, tree, wish, units, options.most_units, accepts);
  if (!clearing.has_value()) return std::nullopt;
  EvictionPlan plan{.victims = {}, .nodes = clearing->nodes, .cost = clearing->cost};
  for (const size_t unit : clearing->units)
    plan.victims.insert(plan.victims.end(), units[unit].pods.begin(), units[unit].pods.end());
  return plan;
}

}  // namespace xpool::scheduler
