#include "scheduler/pool/placer.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace xpool::scheduler {

void Placer::ForgetHalf() {
  std::vector<uint64_t> used;
  for (const auto& [demand, kind] : kinds_) used.push_back(kind.used);
  const auto median = used.begin() + static_cast<std::ptrdiff_t>(used.size() / 2);
  std::nth_element(used.begin(), median, used.end());
  absl::erase_if(kinds_, [&](const auto& kind) { return kind.second.used < *median; });
}

Candidates& Placer::KindOf(const Demand& demand) {
  Demand key = demand;
  key.memory_bytes = 0;
  if (kinds_.size() >= most_kinds_ && !kinds_.contains(key)) ForgetHalf();
  Kind& kind = kinds_[key];
  if (kind.candidates == nullptr) kind.candidates = std::make_unique<Candidates>(policy_, &values_, std::move(key));
  kind.used = ++calls_;
  return *kind.candidates;
}

std::optional<Choice> Placer::Place(const NodeTable& nodes, const Demand& demand,
                                    absl::FunctionRef<bool(NodeIndex)> accepts) {
  const Ranking ranking =
      KindOf(demand).Best(nodes, [&](NodeIndex node) { return nodes[node].HasMemoryFor(demand) && accepts(node); });
  if (!ranking.best.has_value()) return std::nullopt;
  const std::optional<Option> option = BestOption(*policy_, demand, nodes[ranking.best->node]);
  return Choice{ranking.best->node, option->cards, ranking.best->score, ranking.runner_up};
}

std::optional<Choice> Placer::Place(const NodeTable& nodes, const Demand& demand) {
  return Place(nodes, demand, [](NodeIndex) { return true; });
}

}  // namespace xpool::scheduler
