// The nodes of a pool by kind: those with the same cards and the same capacity are one group. Pure values.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "scheduler/model/demand.h"
#include "scheduler/model/node_state.h"

namespace xpool::scheduler {

struct NodeGroup {
  NodeState empty;  // one of its nodes with nothing on it
  int64_t nodes = 0;
};

// Numbers the groups of |nodes|, all empty, and notes each one's group in it.
std::vector<NodeGroup> GroupNodes(std::span<NodeState> nodes);

}  // namespace xpool::scheduler
