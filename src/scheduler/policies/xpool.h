// xpool's own policy: the node where the least compute will be lost. A node's value is what FGD calls fragmentation and
// what looking ahead leaves idle (lookahead.h), weighted; to what a placement adds to it comes the price of what it
// takes from its group of nodes (prices.h). The sum, in cards, becomes one of a few scores, as FGD's does: near equals
// are ties.
//
// Not thread-safe: what looking ahead has found is kept.
#pragma once

#include "scheduler/fragmentation.h"
#include "scheduler/lookahead.h"
#include "scheduler/policy.h"
#include "scheduler/prices.h"

namespace xpool::scheduler {

struct XpoolOptions {
  // Weights of costs in cards.
  double fragmentation_weight = 0.3;
  double lookahead_weight = 1.0;
  double price_weight = 0.3;
  double cpu_price_weight = 0.3;  // of what CPU costs, against cards
  int steps = 50;                 // of the score
  LookaheadOptions lookahead;
  PriceOptions prices;
};

class Xpool final : public Policy {
 public:
  Xpool(const Mix& mix, const std::vector<NodeGroup>& groups, const XpoolOptions& options = {});

  double Value(const NodeState& node) const override;
  int64_t Score(const Demand& demand, const NodeState& before, double value, const NodeState& after) const override;
  bool scores_cards() const override { return true; }

 private:
  const XpoolOptions options_;
  const Fragmentation fragmentation_;
  const Prices prices_;
  mutable Lookahead lookahead_;
};

}  // namespace xpool::scheduler
