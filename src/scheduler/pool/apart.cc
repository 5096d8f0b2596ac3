#include "scheduler/pool/apart.h"

namespace xpool::scheduler {
namespace {

std::optional<double> CostOf(const Policy& policy, const NodeTable& nodes, const Demand& demand, const Choice& choice) {
  NodeState after = nodes[choice.node];
  after.Take(demand, choice.cards);
  return policy.Cost(demand, nodes[choice.node], after);
}

}  // namespace

std::optional<Apart> PlaceApart(Placer& placer, const NodeTable& nodes, const ApartDemand& demand,
                                absl::FunctionRef<bool(NodeIndex)> accepts_lent,
                                absl::FunctionRef<bool(NodeIndex)> accepts_rest) {
  const std::optional<Choice> lent = placer.Place(nodes, demand.lent, accepts_lent);
  if (!lent.has_value()) return std::nullopt;
  const std::optional<Choice> rest =
      placer.Place(nodes, demand.rest, [&](NodeIndex node) { return node != lent->node && accepts_rest(node); });
  if (!rest.has_value()) return std::nullopt;
  return Apart{*lent, *rest};
}

bool IsBetterApart(const Policy& policy, const NodeTable& nodes, const Demand& whole, const Choice& choice,
                   const ApartDemand& demand, const Apart& apart, double network_cost) {
  const std::optional<double> together = CostOf(policy, nodes, whole, choice),
                              lent = CostOf(policy, nodes, demand.lent, apart.lent),
                              rest = CostOf(policy, nodes, demand.rest, apart.rest);
  if (!together.has_value() || !lent.has_value() || !rest.has_value()) return false;
  const double cards = static_cast<double>(demand.lent.compute_milli()) / 1000;
  return *lent + *rest + network_cost * cards < *together;
}

}  // namespace xpool::scheduler
