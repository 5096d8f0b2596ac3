// Fragmentation gradient descent (Weng et al., "Beware of Fragmentation", USENIX ATC'23): a pod goes where the measure
// of fragmentation grows least or shrinks most.
#pragma once

#include "scheduler/outlook/fragmentation.h"
#include "scheduler/outlook/state_cache.h"
#include "scheduler/policies/policy.h"

namespace xpool::scheduler {

class Fgd final : public Policy {
 public:
  explicit Fgd(const Mix& mix);

  // The published integer: 100 * sigmoid((F before - F after) / one card), cut off. The cutting matters: with full
  // precision it does worse.
  int32_t Score(const Demand& demand, const NodeState& before, double value, const NodeState& after) const override;
  double Value(const NodeState& node) const override;
  bool scores_cards() const override { return true; }

 private:
  const Fragmentation fragmentation_;
  mutable StateCache<double> kept_;  // of F
};

}  // namespace xpool::scheduler
