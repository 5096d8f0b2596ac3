// The states of a pool's nodes, in the order in which ties between them are broken, and when each last changed: whoever
// keeps something about them looks only at what has changed since. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "scheduler/model/node_state.h"

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
  size_t blocks() const { return block_stamps_.size(); }

  uint64_t stamp(NodeIndex node) const { return stamps_[node]; }

  // Calls |look|(node) for each that changed after |stamp|.
  template <typename Look>
  void ForEachSince(uint64_t stamp, const Look& look) const {
    for (size_t block = 0; block < blocks(); ++block) ForEachSince(stamp, block, look);
  }
  // The same, in one block. Whether there was any.
  template <typename Look>
  bool ForEachSince(uint64_t stamp, size_t block, const Look& look) const {
    if (block_stamps_[block] <= stamp) return false;
    for (size_t node = first(block); node < end(block); ++node) {
      if (stamps_[node] > stamp) look(static_cast<NodeIndex>(node));
    }
    return true;
  }
  size_t first(size_t block) const { return block * kBlock; }
  size_t end(size_t block) const { return std::min(first(block) + kBlock, size()); }

 private:
  void Stamp(NodeIndex node);

  std::vector<NodeState> states_;
  std::vector<uint64_t> stamps_, block_stamps_;
  uint64_t stamp_ = 0;
};

}  // namespace xpool::scheduler
