// Fragmentation gradient descent (Weng et al., "Beware of Fragmentation", USENIX ATC'23): a pod goes where the measure
// of fragmentation grows least or shrinks most.
#pragma once

#include "scheduler/fragmentation.h"
#include "scheduler/policy.h"

namespace xpool::scheduler {

class Fgd final : public Policy {
 public:
  explicit Fgd(const Mix& mix);

  // The published integer: 100 * sigmoid((F before - F after) / one card), cut off. The cutting matters: with full
  // precision it does worse.
  int64_t Score(const Demand& demand, const NodeState& before, double value, const NodeState& after) const override;
  double Value(const NodeState& node) const override { return fragmentation_.Of(node); }
  bool scores_cards() const override { return true; }

 private:
  const Fragmentation fragmentation_;
};

}  // namespace xpool::scheduler
