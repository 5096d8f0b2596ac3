// xpool's own policy: the way that loses the least compute. What a placement costs, in cards, is the sum of
//   the value that the node loses: what FGD calls fragmentation, and what looking ahead leaves idle (lookahead.h),
//   grow;
//     the worth of the places for pods that are hard to place shrinks (scarcity.h);
//   what the card is spoiled for the shares that would fit it best (card_patterns.h);
//   the price of what it takes from its group of nodes (prices.h).
// It becomes one of a few scores, as FGD's does: near equals are ties.
//
// Not thread-safe: what looking ahead has found is kept.
#pragma once

#include "scheduler/card_patterns.h"
#include "scheduler/fragmentation.h"
#include "scheduler/lookahead.h"
#include "scheduler/policy.h"
#include "scheduler/prices.h"
#include "scheduler/scarcity.h"

namespace xpool::scheduler {

struct XpoolOptions {
  // Weights of the costs.
  double fragmentation = 0.1, lookahead = 0.5, scarcity = 1, patterns = 2, prices = 0.3;
  double cpu_prices = 0.3;  // against those of cards
  int steps = 50;           // of the score
  LookaheadOptions lookahead_options;
  PriceOptions price_options;
  ScarcityOptions scarcity_options;
};

class Xpool final : public Policy {
 public:
  explicit Xpool(const Outlook& outlook, const XpoolOptions& options = {});

  double Value(const NodeState& node) const override;
  int64_t Score(const Demand& demand, const NodeState& before, double value, const NodeState& after) const override;
  bool scores_cards() const override { return true; }

  void Observe(const NodeTable& nodes) override;
  uint64_t epoch() const override { return epoch_; }

 private:
  double Price(const Demand& demand, uint16_t group) const;
  double Spoiled(const NodeState& before, const NodeState& after) const;

  const XpoolOptions options_;
  const Fragmentation fragmentation_;
  const CardPatterns patterns_;
  const Prices prices_;
  Scarcity scarcity_;
  uint64_t epoch_ = 0;
  mutable Lookahead lookahead_;
};

}  // namespace xpool::scheduler
