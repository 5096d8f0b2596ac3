#include "scheduler/candidates.h"

#include <limits>

namespace xpool::scheduler {
namespace {

constexpr NodeIndex kNone = std::numeric_limits<NodeIndex>::max();

}  // namespace

// Of equals the first, which is looked at first, stays.
bool Candidates::IsBetter(NodeIndex node, NodeIndex than) const {
  if (node == kNone || !opinions_[node].has_value()) return false;
  return than == kNone || opinions_[node]->score > opinions_[than]->score;
}

void Candidates::Refresh(const NodeTable& nodes, size_t block) {
  const size_t first = block * NodeTable::kBlock, end = std::min(first + NodeTable::kBlock, nodes.size());
  NodeIndex best = kNone;
  for (size_t i = first; i < end; ++i) {
    const auto node = static_cast<NodeIndex>(i);
    if (nodes.stamp(node) > stamp_) opinions_[node] = BestOption(*policy_, demand_, nodes[node]);
    if (IsBetter(node, best)) best = node;
  }
  best_[block] = best;
}

std::optional<Choice> Candidates::Best(const NodeTable& nodes) {
  opinions_.resize(nodes.size());
  best_.resize(nodes.blocks(), kNone);
  if (epoch_ != policy_->epoch()) stamp_ = 0;  // what was said of any node is out of date
  epoch_ = policy_->epoch();
  NodeIndex best = kNone;
  for (size_t block = 0; block < nodes.blocks(); ++block) {
    if (nodes.block_stamp(block) > stamp_) Refresh(nodes, block);
    if (IsBetter(best_[block], best)) best = best_[block];
  }
  stamp_ = nodes.stamp();
  if (best == kNone) return std::nullopt;
  return Choice{best, opinions_[best]->score, opinions_[best]->cards};
}

}  // namespace xpool::scheduler
