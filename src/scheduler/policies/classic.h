// The rules that clusters have used all along, with the constants of the FGD paper's comparison (Weng et al., USENIX
// ATC'23, section 5), so that its curves can be reproduced: integers from 0 to 100, cut off, which makes ties. The
// constants are those of its largest node: 128 cores, 8 cards.
#pragma once

#include "scheduler/policies/policy.h"

namespace xpool::scheduler {

// The node on which the least CPU and compute is left.
class BestFit final : public Policy {
 public:
  int32_t Score(const Demand& demand, const NodeState& before, double value, const NodeState& after) const override;
};

// The node whose idle resources point least in the demand's direction (after Tetris, Grandl et al., SIGCOMM'14).
class DotProduct final : public Policy {
 public:
  int32_t Score(const Demand& demand, const NodeState& before, double value, const NodeState& after) const override;
};

// Cards in use before idle ones, nodes in use before idle ones (after MLaaS, Weng et al., NSDI'22).
class Packing final : public Policy {
 public:
  int32_t Score(const Demand& demand, const NodeState& before, double value, const NodeState& after) const override;
};

// Pods beside pods of their kind: sharing ones, those with one card, with two (after Gandiva, Xiao et al., OSDI'18).
class Clustering final : public Policy {
 public:
  int32_t Score(const Demand& demand, const NodeState& before, double value, const NodeState& after) const override;
};

// Nodes in no order: what any other policy should be better than. A hash of the states decides, so that the same pool
// and pod give the same node; equal nodes are ties.
class RandomOrder final : public Policy {
 public:
  int32_t Score(const Demand& demand, const NodeState& before, double value, const NodeState& after) const override;
};

// The node and the card on which the most is left, as services like it that want to be apart.
class Spread final : public Policy {
 public:
  int32_t Score(const Demand& demand, const NodeState& before, double value, const NodeState& after) const override;
  bool scores_cards() const override { return true; }
};

}  // namespace xpool::scheduler
