#include "scheduler/pool/candidates.h"

#include <limits>
#include <utility>

namespace xpool::scheduler {
namespace {

constexpr int32_t kNoRoom = std::numeric_limits<int32_t>::min();
constexpr Ranked kNobody{0, kNoRoom};
constexpr Ranked kBeforeAll{0, std::numeric_limits<int32_t>::max()};

Demand WithoutMemory(Demand demand) {
  demand.memory_bytes = 0;
  return demand;
}

}  // namespace

Candidates::Candidates(const Policy* policy, NodeValues* values, Demand demand)
    : policy_(policy), values_(values), demand_(WithoutMemory(std::move(demand))) {}

// The best of a block that comes after |after| in the order of scores and, among equals, of nodes.
Ranked Candidates::BestIn(const NodeTable& nodes, size_t block, const Ranked& after) const {
  Ranked best = kNobody;
  for (size_t i = nodes.first(block); i < nodes.end(block); ++i) {
    const int32_t score = scores_[i];
    const bool comes_after = score < after.score || (score == after.score && i > after.node);
    if (comes_after && score > best.score) best = {static_cast<NodeIndex>(i), score};
  }
  return best;
}

void Candidates::Refresh(const NodeTable& nodes) {
  scores_.resize(nodes.size(), kNoRoom);
  best_.resize(nodes.blocks(), kNobody);
  if (epoch_ != policy_->epoch()) stamp_ = 0;  // what was said of any node is out of date
  epoch_ = policy_->epoch();
  const auto look = [&](NodeIndex node) {
    scores_[node] = kNoRoom;
    if (!nodes[node].Fits(demand_)) return;
    scores_[node] = BestOption(*policy_, demand_, nodes[node], values_->Of(nodes, node))->score;
  };
  for (size_t block = 0; block < nodes.blocks(); ++block) {
    if (nodes.ForEachSince(stamp_, block, look)) best_[block] = BestIn(nodes, block, kBeforeAll);
  }
  stamp_ = nodes.stamp();
}

// The same by looking at each node: for whom few nodes will do.
Ranking Candidates::BestOfAll(absl::FunctionRef<bool(NodeIndex)> accepts) const {
  Ranked best = kNobody, second = kNobody;
  for (size_t i = 0; i < scores_.size(); ++i) {
    const Ranked next{static_cast<NodeIndex>(i), scores_[i]};
    if (next.score <= second.score || !accepts(next.node)) continue;
    second = next.score > best.score ? best : next;
    if (next.score > best.score) best = next;
  }
  Ranking ranking;
  if (best.score != kNoRoom) ranking.best = best;
  if (second.score != kNoRoom) ranking.runner_up = second;
  return ranking;
}

Ranking Candidates::Best(const NodeTable& nodes, absl::FunctionRef<bool(NodeIndex)> accepts) {
  constexpr int kMostRefused = 32;
  Refresh(nodes);
  left_ = best_;
  Ranking ranking;
  int refused = 0;
  while (!ranking.runner_up.has_value()) {
    if (refused > kMostRefused) return BestOfAll(accepts);
    size_t block = 0;
    for (size_t i = 1; i < left_.size(); ++i) {
      if (left_[i].score > left_[block].score) block = i;
    }
    if (left_.empty() || left_[block].score == kNoRoom) break;
    const Ranked next = left_[block];
    if (accepts(next.node)) {
      (ranking.best.has_value() ? ranking.runner_up : ranking.best) = next;
    } else {
      ++refused;
    }
    left_[block] = BestIn(nodes, block, next);
  }
  return ranking;
}

}  // namespace xpool::scheduler
