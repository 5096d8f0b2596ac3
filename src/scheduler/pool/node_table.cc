#include "scheduler/pool/node_table.h"

namespace xpool::scheduler {

NodeIndex NodeTable::Add(const NodeState& state) {
  const auto node = static_cast<NodeIndex>(states_.size());
  states_.push_back(state);
  stamps_.push_back(0);
  if (block_stamps_.size() * kBlock < states_.size()) block_stamps_.push_back(0);
  Stamp(node);
  return node;
}

void NodeTable::Set(NodeIndex node, const NodeState& state) {
  states_[node] = state;
  Stamp(node);
}

void NodeTable::Stamp(NodeIndex node) { stamps_[node] = block_stamps_[node / kBlock] = ++stamp_; }

}  // namespace xpool::scheduler
