#include "scheduler/plans/defragmentation.h"

#include <algorithm>

namespace xpool::scheduler {
namespace {

constexpr int kMostRounds = 8;  // of looking for another block, when somebody could not go anywhere

// What |pod| holds on its node, all together; nothing when it is not all there, or not its alone.
std::optional<Demand> DemandOf(const PoolState& pool, PodId pod) {
  const PodRecord& record = pool.pod(pod);
  Demand demand{record.spec.cpu_milli, record.spec.memory_bytes, {}};
  for (const ClaimId claim : record.claims) {
    const ClaimRecord& of = pool.claim(claim);
    if (of.owner != pod || !of.place.has_value() || of.place->is_remote) return std::nullopt;
    demand.cards.insert(demand.cards.end(), of.place->requests.begin(), of.place->requests.end());
  }
  return demand.cards.size() > kMostRequests ? std::nullopt : std::optional(demand);
}

class Moving {
 public:
  Moving(const PoolState& pool, const Policy& policy, const std::vector<NodeIndex>& block)
      : pool_(pool), policy_(policy) {
    for (NodeIndex node = 0; node < pool.nodes().size(); ++node) states_.push_back(pool.nodes()[node]);
    for (const NodeIndex node : block) states_[node].cpu_milli = -1;  // nobody moves into it
  }

  std::optional<Move> Place(PodId pod, absl::FunctionRef<bool(PodId, NodeIndex)> may_go) {
    const Demand demand = *DemandOf(pool_, pod);
    std::optional<Option> best;
    NodeIndex to = kNobody;
    for (NodeIndex node = 0; node < states_.size(); ++node) {
      if (node == pool_.pod(pod).node || !may_go(pod, node)) continue;
      const std::optional<Option> option = BestOption(policy_, demand, states_[node]);
      if (!option.has_value() || (best.has_value() && option->score <= best->score)) continue;
      best = option;
      to = node;
    }
    if (!best.has_value()) return std::nullopt;
    states_[to].Take(demand, best->cards);
    return Move{pod, to, best->cards};
  }

 private:
  const PoolState& pool_;
  const Policy& policy_;
  std::vector<NodeState> states_;
};

}  // namespace

std::optional<DefragmentationPlan> PlanDefragmentation(const PoolState& pool, const TopologyTree& tree,
                                                       const ClearingWish& wish, const Policy& policy,
                                                       size_t most_moves, absl::FunctionRef<bool(NodeIndex)> accepts,
                                                       absl::FunctionRef<bool(PodId, NodeIndex)> may_go) {
  std::vector<GoingUnit> units;
  for (PodId pod = 0; pod < pool.pod_slots(); ++pod) {
    const PodRecord& record = pool.pod(pod);
    if (!record.exists || record.phase == PodPhase::kPending || !record.spec.movable ||
        !record.spec.gang.name.empty() || !DemandOf(pool, pod).has_value())
      continue;
    units.push_back({{pod}, 1});
  }
  for (int round = 0; round < kMostRounds; ++round) {
    const std::optional<Clearing> clearing = FindClearing(pool, tree, wish, units, most_moves, accepts);
    if (!clearing.has_value()) return std::nullopt;
    DefragmentationPlan plan{.moves = {}, .nodes = clearing->nodes};
    Moving moving(pool, policy, clearing->nodes);
    std::vector<size_t> order = clearing->units;
    std::stable_sort(order.begin(), order.end(), [&](size_t one, size_t other) {  // the large ones are hard to place
      return DemandOf(pool, units[one].pods[0])->compute_milli() >
             DemandOf(pool, units[other].pods[0])->compute_milli();
    });
    const auto stuck = std::find_if(order.begin(), order.end(), [&](size_t unit) {
      const std::optional<Move> move = moving.Place(units[unit].pods[0], may_go);
      if (move.has_value()) plan.moves.push_back(*move);
      return !move.has_value();
    });
    if (stuck == order.end()) return plan;
    units.erase(units.begin() + static_cast<std::ptrdiff_t>(*stuck));  // it stays; somebody else may go instead
  }
  return std::nullopt;
}

}  // namespace xpool::scheduler
