// The topology of a pool as a tree: the whole of it at the root, nodes as leaves, the domains that nodes name between.
// A value, made anew when nodes come, go or move.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "scheduler/pool/pool_state.h"

namespace xpool::scheduler {

using DomainId = uint32_t;

class TopologyTree {
 public:
  static constexpr DomainId kRoot = 0;

  struct TreeDomain {
    std::string level, name;  // "" of the root
    DomainId parent = kRoot;
    std::vector<DomainId> children;  // domains and nodes
    NodeIndex node = kNobody;        // of a leaf
    int depth = 0;
  };

  explicit TopologyTree(const PoolState& pool);

  size_t size() const { return domains_.size(); }
  // Parents have lower numbers than their children.
  const TreeDomain& operator[](DomainId domain) const { return domains_[domain]; }

  // The leaf that |node| is. REQUIRES: it is in the tree.
  DomainId LeafOf(NodeIndex node) const { return leaves_[node]; }

  // The depth of |level|; -1 when no node names it. Nodes are the deepest.
  int DepthOf(absl::string_view level) const;

  // "rack r1 in row 3".
  std::string PathOf(DomainId domain) const;

 private:
  DomainId ChildOf(DomainId parent, const Domain& domain);

  std::vector<TreeDomain> domains_;
  std::vector<DomainId> leaves_;  // by node
  absl::flat_hash_map<std::string, DomainId> by_path_;
  absl::flat_hash_map<std::string, int> depths_;  // of levels
  int depth_ = 0;
};

}  // namespace xpool::scheduler
