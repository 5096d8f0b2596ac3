#include "scheduler/policies/xpool.h"

#include <cmath>

namespace xpool::scheduler {

Xpool::Xpool(const Mix& mix, const std::vector<NodeGroup>& groups, const XpoolOptions& options)
    : options_(options),
      fragmentation_(mix),
      prices_(mix, groups, options.prices),
      lookahead_(mix, options.lookahead) {}

double Xpool::Value(const NodeState& node) const {
  double waste = options_.fragmentation_weight * fragmentation_.Of(node);
  if (options_.lookahead_weight > 0) waste += options_.lookahead_weight * lookahead_.IdleMilli(node);
  return waste / 1000;
}

int64_t Xpool::Score(const Demand& demand, const NodeState& before, double value, const NodeState& after) const {
  const double price =
      prices_.card_milli(before.group) * static_cast<double>(demand.compute_milli()) / 1000 +
      options_.cpu_price_weight * prices_.cpu_milli(before.group) * static_cast<double>(demand.cpu_milli) / 1000;
  const double cost = Value(after) - value + options_.price_weight * price;
  return static_cast<int64_t>(options_.steps / (1 + std::exp(cost)));
}

}  // namespace xpool::scheduler
