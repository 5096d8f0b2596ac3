// The states of a pool's nodes, in the order in which ties between them are broken, and when each last changed: whoever
// keeps something about them looks only at what has changed since. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "scheduler/node_state.h"

namespace xpool::scheduler {

using NodeIndex = uint32_t;

class NodeTable {
 public:
  static constexpr size_t kBlock = 64;  // nodes that are looked at together

  NodeIndex Add(const NodeState& state);
  size_t size() const { return states_.size(); }
  const NodeState& operator[](NodeIndex node) const { return states_[node]; }

  void Set(NodeIndex node, const NodeState& state);

  // Counts changes. What changed after |stamp| has a later one.
  uint64_t stamp() const { return stamp_; }
  uint64_t stamp(NodeIndex node) const { return stamps_[node]; }
  uint64_t block_stamp(size_t block) const { return block_stamps_[block]; }
  size_t blocks() const { return block_stamps_.size(); }

 private:
  void Stamp(NodeIndex node);

  std::vector<NodeState> states_;
  std::vector<uint64_t> stamps_, block_stamps_;
  uint64_t stamp_ = 0;
};

}  // namespace xpool::scheduler
