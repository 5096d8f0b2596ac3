#include "scheduler/gangs/topology_tree.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace xpool::scheduler {

DomainId TopologyTree::ChildOf(DomainId parent, const Domain& domain) {
  const std::string path = absl::StrCat(parent, "/", domain.level, "=", domain.name);
  const auto [found, is_new] = by_path_.try_emplace(path, static_cast<DomainId>(domains_.size()));
  if (is_new) {
    domains_[parent].children.push_back(found->second);
    domains_.push_back({.level = domain.level,
                        .name = domain.name,
                        .parent = parent,
                        .children = {},
                        .node = kNobody,
                        .depth = domains_[parent].depth + 1});
  }
  return found->second;
}

TopologyTree::TopologyTree(const PoolState& pool) {
  domains_.emplace_back();
  leaves_.resize(pool.nodes().size(), kRoot);
  for (NodeIndex node = 0; node < pool.nodes().size(); ++node) {
    if (!pool.node_exists(node)) continue;
    DomainId domain = kRoot;
    for (const Domain& around : pool.node(node).topology) {
      domain = ChildOf(domain, around);
      depths_.try_emplace(around.level, domains_[domain].depth);
    }
    const DomainId leaf = ChildOf(domain, {kNodeLevel, pool.node(node).name});
    domains_[leaf].node = node;
    leaves_[node] = leaf;
    depth_ = std::max(depth_, domains_[leaf].depth);
  }
}

int TopologyTree::DepthOf(absl::string_view level) const {
  if (level == kNodeLevel) return depth_;
  const auto found = depths_.find(level);
  return found == depths_.end() ? -1 : found->second;
}

std::string TopologyTree::PathOf(DomainId domain) const {
  if (domain == kRoot) return "the whole pool";
  std::string path;
  for (; domain != kRoot; domain = domains_[domain].parent)
    absl::StrAppend(&path, path.empty() ? "" : " in ", domains_[domain].level, " ", domains_[domain].name);
  return path;
}

}  // namespace xpool::scheduler
