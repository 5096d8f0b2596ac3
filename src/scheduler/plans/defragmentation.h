// Which pods should move elsewhere so that a block becomes free: places for so many of a demand, in one domain of the
// topology. Pure.
#pragma once

#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "scheduler/plans/clearing.h"
#include "scheduler/policies/policy.h"

namespace xpool::scheduler {

struct Move {
  PodId pod = kNobody;
  NodeIndex to = kNobody;
  Cards cards{};  // of the demand that its claims make together
};

struct DefragmentationPlan {
  std::vector<Move> moves;
  std::vector<NodeIndex> nodes;  // the block
};

// At most |most_moves| of movable pods that are in no gang and share no claims, each to where |policy| likes it best of
// the nodes that are not in the block, with what the moves before it leave there. Nothing when that cannot be found.
// |accepts|: nodes that the block may be on. |may_go|: whether a pod may go to a node for what that is.
std::optional<DefragmentationPlan> PlanDefragmentation(const PoolState& pool, const TopologyTree& tree,
                                                       const ClearingWish& wish, const Policy& policy,
                                                       size_t most_moves, absl::FunctionRef<bool(NodeIndex)> accepts,
                                                       absl::FunctionRef<bool(PodId, NodeIndex)> may_go);

}  // namespace xpool::scheduler
