// A workload's mix: what kinds of pods it has brought so far, and how often. Policies that look ahead take it for what
// will come. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "scheduler/model/demand.h"

namespace xpool::scheduler {

struct PodType {
  Demand demand;
  int64_t count = 0;
};

struct Mix {
  std::vector<PodType> types;

  int64_t count() const;              // of all types
  bool AsksForMemoryOfCards() const;  // whether any type does
};

// How often pods count that may have their cards on one node and the rest on another, which makes two types of them:
// the one with the cards as much as a pod that is whole; the other half, since it may also go where there are no cards,
// and would else seem to use up the cores beside them. (Measured: of 0, 0.1, 0.25, 0.5, 0.65 and 1, half loses the
// least.)
inline constexpr int kCountOfPod = 2, kCountOfRest = 1;

// Types in the order of their first pod.
Mix MixOf(std::span<const Demand> pods);

// The most frequent types that make up |coverage| of all pods; among equally frequent ones the first. FGD's target
// workload takes 0.95 (Weng et al., "Beware of Fragmentation", USENIX ATC'23, section 4.2).
Mix TypicalOf(const Mix& mix, double coverage);

}  // namespace xpool::scheduler
