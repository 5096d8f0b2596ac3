#include "scheduler/policies/xpool.h"

#include <cmath>

namespace xpool::scheduler {
namespace {

constexpr double kCardMilli = 1000;

}  // namespace

Xpool::Xpool(const Outlook& outlook, const XpoolOptions& options)
    : options_(options),
      fragmentation_(outlook.mix),
      patterns_(outlook.mix),
      prices_(outlook.mix, outlook.groups, options.price_options),
      scarcity_(outlook.mix, options.scarcity_options),
      lookahead_(outlook.mix, options.lookahead_options) {}

void Xpool::Observe(const NodeTable& nodes) {
  if (scarcity_.Observe(nodes)) ++epoch_;
}

// In cards; the less, the better.
double Xpool::Value(const NodeState& node) const {
  return options_.fragmentation * fragmentation_.Of(node) / kCardMilli +
         options_.lookahead * lookahead_.IdleMilli(node) / kCardMilli - options_.scarcity * scarcity_.WorthOf(node);
}

double Xpool::Price(const Demand& demand, uint16_t group) const {
  const double cards = static_cast<double>(demand.compute_milli()) / kCardMilli;
  const double cores = static_cast<double>(demand.cpu_milli) / 1000;
  return prices_.card(group) * cards + options_.cpu_prices * prices_.core(group) * cores;
}

double Xpool::Spoiled(const NodeState& before, const NodeState& after) const {
  double spoiled = 0;
  for (size_t card = 0; card < before.cards().size(); ++card) {
    const int idle = before.cards()[card].idle, taken = idle - after.cards()[card].idle;
    if (taken > 0) spoiled += patterns_.Spoiled(idle, taken);
  }
  return spoiled;
}

int64_t Xpool::Score(const Demand& demand, const NodeState& before, double value, const NodeState& after) const {
  double cost = Value(after) - value + options_.prices * Price(demand, before.group);
  if (demand.shares()) cost += options_.patterns * Spoiled(before, after);
  return static_cast<int64_t>(options_.steps / (1 + std::exp(cost)));
}

}  // namespace xpool::scheduler
