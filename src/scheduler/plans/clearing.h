// What would have to go so that pods which wait find a place: what evictions and defragmentation have in common. Pods
// go in units: a gang goes as a whole, or not at all. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "scheduler/gangs/gang_placement.h"

namespace xpool::scheduler {

// Pods that go together, and what it costs if they do.
struct GoingUnit {
  std::vector<PodId> pods;
  double cost = 0;
};

struct ClearingWish {
  Demand demand;
  int places = 1;         // for so many of it
  std::string level;      // in one domain of this level; "": anywhere
  bool required = false;  // the level; else a wider one will do too
};

struct Clearing {
  std::vector<size_t> units;     // that go: their places in the list that was given
  std::vector<NodeIndex> nodes;  // where the places will be
  double cost = 0;               // of all units
};

// The cheapest way that is found; nothing when not even all of |units| are enough. Exact for a single place and units
// on one node each; else greedy: at each step the units that bring places for the least cost each, and at the end what
// turns out not to be needed stays. |most_units|: that may go. |accepts|: nodes that may be used.
std::optional<Clearing> FindClearing(const PoolState& pool, const TopologyTree& tree, const ClearingWish& wish,
                                     const std::vector<GoingUnit>& units, size_t most_units,
                                     absl::FunctionRef<bool(NodeIndex)> accepts);

}  // namespace xpool::scheduler
