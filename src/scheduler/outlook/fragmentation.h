// FGD's measure of fragmentation: how much of a node's idle compute a pod of the target workload could not use, on
// average over its types (Weng et al., "Beware of Fragmentation", USENIX ATC'23, section 4.1). Immutable once made;
// thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "scheduler/model/node_state.h"
#include "scheduler/outlook/mix.h"

namespace xpool::scheduler {

class Fragmentation {
 public:
  // The target workload: the typical types of |mix| (see TypicalOf()). They should ask for at most one kind of card
  // each; of others the first is looked at.
  explicit Fragmentation(const Mix& mix);

  // F of |node| in thousandths of a card. A type that could not be placed for want of CPU, or of cards
  // of its models with enough left, can use nothing; one that could, all cards with enough left. A node's memory is not
  // looked at. Summed up in the order of the published program, as its roundings decide between equals.
  double Of(const NodeState& node) const;

  // Well mixed bits; states with the same have the same F.
  uint64_t KeyOf(const NodeState& node) const;

 private:
  struct Type {
    int64_t cpu_milli;
    int32_t kind;  // in |kinds_|; kNoCards
    int32_t cards;
    double part;  // of all pods
  };
  static constexpr int32_t kNoCards = -1;

  int32_t KindOf(CardRequest request);

  std::vector<CardRequest> kinds_;  // that some type asks for, each for one card
  std::vector<Type> types_;
  std::vector<int64_t> cpu_steps_;  // what they ask for, sorted: F changes with CPU only there
};

}  // namespace xpool::scheduler
