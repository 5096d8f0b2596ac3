// xpool's own policy: the way that loses the least compute. What a placement costs, in cards, is the sum of
//   the value that the node loses: what FGD calls fragmentation, which counts more where pods ask for memory of cards,
//   and the more a pool turns over (flow.h), and what looking ahead leaves idle (lookahead.h) of the resource that runs
//   out first (balance.h), grow;
//     the worth of the places for pods that are hard to place shrinks (scarcity.h);
//   what the card is spoiled for the shares that would fit it best (card_patterns.h);
//   the price of what it takes from its group of nodes (prices.h).
// It becomes one of a few scores, as FGD's does: near equals are ties.
//
// Not thread-safe: what looking ahead has found is kept.
#pragma once

#include <array>

#include "absl/status/status.h"
#include "scheduler/outlook/balance.h"
#include "scheduler/outlook/card_patterns.h"
#include "scheduler/outlook/fragmentation.h"
#include "scheduler/outlook/lookahead.h"
#include "scheduler/outlook/prices.h"
#include "scheduler/outlook/scarcity.h"
#include "scheduler/outlook/state_cache.h"
#include "scheduler/policies/policy.h"

namespace xpool::scheduler {

struct XpoolOptions {
  // Weights of the costs.
  double fragmentation = 0.1, lookahead = 0.5, scarcity = 0.5, patterns = 2, prices = 0.3;
  double card_memory = 0.2;  // of fragmentation besides, where pods ask for memory of cards
  double turnover = 0.7;     // of fragmentation besides, where a pod goes for each that comes: 0 while a pool fills up
  double cpu_prices = 0.3;   // against those of cards
  bool spare = true;         // nodes, for pods that wait
  int steps = 60;            // of the score
  int64_t cpu_grain_milli = 1000;  // of CPU, that makes a difference to the value of a node
  LookaheadOptions lookahead_options;
  PriceOptions price_options;
  ScarcityOptions scarcity_options;
};

// Sets one of those by its name, as written in a policy's spec. INVALID_ARGUMENT names them all.
absl::Status SetXpoolOption(absl::string_view name, double value, XpoolOptions* options);

class Xpool final : public Policy {
 public:
  explicit Xpool(const Outlook& outlook, const XpoolOptions& options = {});

  double Value(const NodeState& node) const override;
  int32_t Score(const Demand& demand, const NodeState& before, double value, const NodeState& after) const override;
  std::optional<double> Cost(const Demand& demand, const NodeState& before, const NodeState& after) const override;
  std::vector<ScorePart> Explain(const Demand& demand, const NodeState& before, const NodeState& after) const override;
  bool scores_cards() const override { return true; }
  bool spares_nodes() const override { return options_.spare; }

  void Observe(const NodeTable& nodes, const Flow& flow) override;
  uint32_t epoch() const override { return epoch_; }

 private:
  // What is kept of a state. In cards, weighted.
  struct Kept {
    float waste = 0;     // what is fragmented and what will stay idle
    int16_t places = 0;  // their worth, in kPlaceSteps of a card
    uint16_t epoch = 0;  // of |places|
  };
  double WasteOf(const NodeState& node, double fragmented_milli) const;
  Kept KeptOf(const NodeState& node) const;
  static double PlacesOf(const Kept& kept) { return kept.places / kPlaceSteps; }
  double Price(const Demand& demand, uint16_t group) const;
  double Spoiled(const Demand& demand, const NodeState& before, const NodeState& after) const;
  double CostOf(const Demand& demand, const NodeState& before, double value, const NodeState& after) const;
  int32_t ScoreOf(double cost) const;

  static constexpr double kPlaceSteps = 1024;
  static constexpr int kCostSteps = 128;  // a card
  static constexpr int kMostCost = 16;    // cards: what costs more is as bad

  const XpoolOptions options_;
  const Fragmentation fragmentation_;
  const double fragmentation_weight_;
  const CardPatterns patterns_;
  const Prices prices_;
  const Lookahead lookahead_;
  const Balance balance_;
  Scarcity scarcity_;
  double turnover_ = 0;
  uint16_t epoch_ = 1;
  std::array<int32_t, 2 * kMostCost * kCostSteps + 1> scores_{};  // by cost, from -kMostCost on
  mutable StateCache<Kept> kept_;
};

}  // namespace xpool::scheduler
