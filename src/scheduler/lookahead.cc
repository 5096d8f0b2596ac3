#include "scheduler/lookahead.h"

#include <algorithm>
#include <random>

namespace xpool::scheduler {
namespace {

constexpr int kWhole = 10'000;

}  // namespace

Lookahead::Lookahead(const Mix& mix, const LookaheadOptions& options) : options_(options) {
  std::vector<double> weights;
  for (const PodType& type : mix.types) weights.push_back(static_cast<double>(type.count));
  std::mt19937_64 random(options.seed);
  std::discrete_distribution<size_t> draw(weights.begin(), weights.end());
  for (int i = 0; i < options.sequences * options.arrivals && !weights.empty(); ++i) {
    const Demand& pod = mix.types[draw(random)].demand;
    Arrival arrival{pod.cpu_milli, 0, 0, kAnyModel};
    if (!pod.cards.empty()) {
      const CardRequest& request = pod.cards[0];
      arrival = {pod.cpu_milli, request.compute.basis_points(), request.count, request.models};
    }
    arrivals_.push_back(arrival);
  }
}

Lookahead::Key Lookahead::KeyOf(const NodeState& node) {
  Key key{node.cpu_milli, {}, 0, 0};
  for (const CardState& card : node.cards()) {
    if (!card.usable) continue;
    key.model = card.model;
    key.idle[key.cards++] = card.idle;
  }
  std::sort(key.idle.begin(), key.idle.begin() + key.cards);
  return key;
}

int64_t Lookahead::IdleAfter(Key node, std::span<const Arrival> arrivals) {
  int begin = 0;  // cards before it are full
  while (begin < node.cards && node.idle[begin] == 0) ++begin;
  for (const Arrival& arrival : arrivals) {
    if (begin == node.cards) break;
    if (arrival.cpu_milli > node.cpu_milli) continue;
    if (arrival.cards > 0) {
      if ((arrival.models >> node.model & 1) == 0) continue;
      int card = begin;
      while (card < node.cards && node.idle[card] < arrival.compute) ++card;
      if (card + arrival.cards > node.cards) continue;
      // The cards stay sorted: what is left of these moves down.
      for (int taken = 0; taken < arrival.cards; ++taken, ++card) {
        const auto left = static_cast<uint16_t>(node.idle[card] - arrival.compute);
        int place = card;
        for (; place > begin && node.idle[place - 1] > left; --place) node.idle[place] = node.idle[place - 1];
        node.idle[place] = left;
        if (left == 0) ++begin;
      }
    }
    node.cpu_milli -= arrival.cpu_milli;
  }
  int64_t idle = 0;
  for (int card = begin; card < node.cards; ++card) idle += node.idle[card];
  return idle * 1000 / kWhole;
}

double Lookahead::IdleMilli(const NodeState& node) {
  const Key key = KeyOf(node);
  if (key.cards == 0) return 0;
  if (kept_.size() >= options_.most_kept) kept_.clear();
  const auto [kept, is_new] = kept_.try_emplace(key, 0.0);
  if (is_new) {
    int64_t sum = 0;
    const std::span<const Arrival> all = arrivals_;
    const size_t length = all.size() / options_.sequences;  // 0 without a mix
    for (int i = 0; i < options_.sequences; ++i) sum += IdleAfter(key, all.subspan(i * length, length));
    kept->second = static_cast<double>(sum) / options_.sequences;
  }
  return kept->second;
}

}  // namespace xpool::scheduler
