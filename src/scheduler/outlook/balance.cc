#include "scheduler/outlook/balance.h"

#include <algorithm>

namespace xpool::scheduler {
namespace {

constexpr double kGiB = 1024.0 * 1024 * 1024;
constexpr double kMuchMore = 0.1;  // than of cards, that is asked for of another resource

struct Amounts {
  double cards = 0, cores = 0, card_gib = 0;
};

Amounts AskedBy(const Mix& mix) {
  Amounts asked;
  for (const PodType& type : mix.types) {
    const auto count = static_cast<double>(type.count);
    asked.cards += count * static_cast<double>(type.demand.compute_milli()) / 1000;
    asked.cores += count * static_cast<double>(type.demand.cpu_milli) / 1000;
    for (const CardRequest& request : type.demand.cards)
      asked.card_gib += count * request.count * static_cast<double>(request.memory_bytes) / kGiB;
  }
  return asked;
}

Amounts In(const std::vector<NodeGroup>& groups) {
  Amounts all;
  for (const NodeGroup& group : groups) {
    const auto nodes = static_cast<double>(group.nodes);
    all.cards += nodes * static_cast<double>(group.empty.idle_milli()) / 1000;
    all.cores += nodes * static_cast<double>(group.empty.cpu_milli) / 1000;
    for (const CardState& card : group.empty.cards())
      all.card_gib += nodes * static_cast<double>(card.idle_bytes) / kGiB;
  }
  return all;
}

}  // namespace

Balance BalanceOf(const Mix& mix, const std::vector<NodeGroup>& groups) {
  const Amounts asked = AskedBy(mix), all = In(groups);
  if (asked.cards <= 0 || all.cards <= 0) return {};
  const auto more_than_cards = [&](double of_asked, double of_all) {
    return of_all <= 0 ? 0 : of_asked / of_all / (asked.cards / all.cards) - 1;
  };
  const double cores = more_than_cards(asked.cores, all.cores), memory = more_than_cards(asked.card_gib, all.card_gib);
  const double part = std::clamp(std::max(cores, memory) / kMuchMore, 0.0, 1.0);
  Balance balance{.card = 1 - part};
  if (cores >= memory && part > 0) balance.core = part * asked.cards / asked.cores;
  if (memory > cores && part > 0) balance.card_gib = part * asked.cards / asked.card_gib;
  return balance;
}

}  // namespace xpool::scheduler
