#include "scheduler/outlook/pool_groups.h"

#include <algorithm>

namespace xpool::scheduler {
namespace {

bool IsAlike(const NodeState& one, const NodeState& other) {
  return one.cpu_milli == other.cpu_milli && std::ranges::equal(one.cards(), other.cards());
}

}  // namespace

std::vector<NodeGroup> GroupNodes(std::span<NodeState> nodes) {
  std::vector<NodeGroup> groups;
  for (NodeState& node : nodes) {
    const auto found =
        std::find_if(groups.begin(), groups.end(), [&](const NodeGroup& group) { return IsAlike(group.empty, node); });
    node.group = static_cast<uint16_t>(found - groups.begin());
    if (found == groups.end()) {
      groups.push_back({node, 1});
    } else {
      ++found->nodes;
    }
  }
  return groups;
}

}  // namespace xpool::scheduler
