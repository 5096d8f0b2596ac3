#include "scheduler/candidates.h"

#include <limits>

namespace xpool::scheduler {
namespace {

constexpr NodeIndex kNone = std::numeric_limits<NodeIndex>::max();

}  // namespace

void Candidates::Refresh(const NodeTable& nodes, size_t block) {
  const size_t first = block * NodeTable::kBlock, end = std::min(first + NodeTable::kBlock, nodes.size());
  NodeIndex best = kNone;
  for (size_t i = first; i < end; ++i) {
    const auto node = static_cast<NodeIndex>(i);
    Opinion& opinion = opinions_[node];
    if (nodes.stamp(node) > stamp_) {
      std::optional<Option> option = BestOption(*policy_, demand_, nodes[node]);
      opinion.possible = option.has_value();
      if (option.has_value()) opinion.option = *std::move(option);
    }
    if (opinion.possible && (best == kNone || opinion.option.score > opinions_[best].option.score)) best = node;
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
    const NodeIndex candidate = best_[block];
    if (candidate == kNone) continue;
    if (best == kNone || opinions_[candidate].option.score > opinions_[best].option.score) best = candidate;
  }
  stamp_ = nodes.stamp();
  if (best == kNone) return std::nullopt;
  return Choice{best, opinions_[best].option.score, opinions_[best].option.cards};
}

}  // namespace xpool::scheduler
