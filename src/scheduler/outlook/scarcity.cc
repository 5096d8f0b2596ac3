#include "scheduler/outlook/scarcity.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

namespace xpool::scheduler {
namespace {

constexpr double kCardMilli = 1000;
constexpr double kNothing = 1e-6;

// That a normally distributed value exceeds its mean by |deviations|.
double Above(double deviations) { return 0.5 * std::erfc(deviations / std::sqrt(2.0)); }

}  // namespace

Scarcity::Scarcity(const Mix& mix, const ScarcityOptions& options) : options_(options) {
  const auto all = static_cast<double>(mix.count());
  for (const PodType& type : mix.types) {
    const double part = static_cast<double>(type.count) / all;
    const double cards = static_cast<double>(type.demand.compute_milli()) / kCardMilli;
    milli_per_pod_ += part * cards * kCardMilli;
    cpu_milli_per_pod_ += part * static_cast<double>(type.demand.cpu_milli);
    for (const CardRequest& request : type.demand.cards)
      mib_per_pod_ += part * request.count * static_cast<double>(request.memory_bytes >> 20);
    if (type.demand.cards.empty()) continue;
    const CardRequest& request = type.demand.cards[0];
    if (request.count > 1 || request.models != kAnyModel)
      types_.push_back({type.demand.cpu_milli, request, part, cards});
  }
  std::set<ModelSet> sets;
  for (const Type& type : types_) {
    if (type.request.models != kAnyModel) sets.insert(type.request.models);
  }
  for (const ModelSet models : sets) AddTogether(mix, models);
}

// All pods together that can only be on some of |models|: none of them may find too few of their kind left, but all of
// them could. They come in hundredths of a card.
void Scarcity::AddTogether(const Mix& mix, ModelSet models) {
  constexpr double kHundredth = 0.01;
  double cards = 0, squares = 0, cpu_milli = 0;
  for (const PodType& type : mix.types) {
    if (type.demand.cards.empty() || (type.demand.cards[0].models & ~models) != 0) continue;
    const auto count = static_cast<double>(type.count);
    const double each = static_cast<double>(type.demand.compute_milli()) / kCardMilli;
    cards += count * each;
    squares += count * each * each;
    cpu_milli += count * static_cast<double>(type.demand.cpu_milli);
  }
  if (cards <= 0) return;
  const CardRequest hundredth{.count = 1, .compute = Share::FromPercent(1), .models = models};
  types_.push_back({static_cast<int64_t>(cpu_milli / cards * kHundredth), hundredth,
                    cards / kHundredth / static_cast<double>(mix.count()), kHundredth, squares / cards / kHundredth});
}

int Scarcity::PlacesOn(const NodeState& node, const Type& type) {
  const int share = std::max(1, type.request.compute.basis_points());
  int fitting = 0;
  for (const CardState& card : node.cards()) fitting += card.CouldServe(type.request) ? card.idle / share : 0;
  const int places = fitting / std::max<int>(1, type.request.count);
  if (places == 0 || type.cpu_milli == 0) return places;
  return static_cast<int>(std::clamp<int64_t>(node.cpu_milli / type.cpu_milli, 0, places));
}

Scarcity::Amounts Scarcity::IdleOn(const NodeState& node) {
  Amounts idle{.milli = node.idle_milli(), .mib = 0, .cpu_milli = std::max<int64_t>(0, node.cpu_milli)};
  for (const CardState& card : node.cards()) idle.mib += card.usable ? static_cast<int64_t>(card.idle_bytes >> 20) : 0;
  return idle;
}

void Scarcity::CountAgain(const NodeState& node, NodeIndex index) {
  const Amounts idle = IdleOn(node), before = std::exchange(idle_on_[index], idle);
  idle_.milli += idle.milli - before.milli;
  idle_.mib += idle.mib - before.mib;
  idle_.cpu_milli += idle.cpu_milli - before.cpu_milli;
  for (size_t i = 0; i < types_.size(); ++i) {
    uint16_t& places = places_on_[index * types_.size() + i];
    const auto now = static_cast<uint16_t>(std::min<int>(PlacesOn(node, types_[i]), UINT16_MAX));
    places_[i] += now - places;
    places = now;
  }
}

bool Scarcity::Observe(const NodeTable& nodes, const Flow& flow) {
  if (types_.empty()) return false;
  places_.resize(types_.size());
  places_on_.resize(nodes.size() * types_.size());
  idle_on_.resize(nodes.size());
  nodes.ForEachSince(stamp_, [&](NodeIndex node) { CountAgain(nodes[node], node); });
  stamp_ = nodes.stamp();
  const auto pods_in = [](int64_t idle, double per_pod) {
    return per_pod > 0 ? static_cast<double>(idle) / per_pod : std::numeric_limits<double>::infinity();
  };
  const double pods_to_come =
      std::min({pods_in(idle_.milli, std::max(milli_per_pod_, 1e-6)), pods_in(idle_.mib, mib_per_pod_),
                pods_in(idle_.cpu_milli, cpu_milli_per_pod_)});
  std::vector<double> worths;
  bool notable = false;
  for (size_t i = 0; i < types_.size(); ++i) {
    const double to_come = pods_to_come * types_[i].part;
    const double replaced = flow.turnover * flow.running * types_[i].part;
    const double variance = (to_come + 2 * replaced) * types_[i].scatter + 1;
    const double spare = (static_cast<double>(places_[i]) - to_come) / std::sqrt(variance);
    worths.push_back(types_[i].cards * Above(spare - options_.margin));
    notable = notable || std::abs(worths[i] - types_[i].worth) > options_.notable * std::min(1.0, types_[i].cards);
  }
  if (!notable) return false;
  for (size_t i = 0; i < types_.size(); ++i) types_[i].worth = worths[i];
  return true;
}

double Scarcity::WorthOf(const NodeState& node) const {
  double worth = 0;
  for (const Type& type : types_) {
    if (type.worth > kNothing) worth += type.worth * PlacesOn(node, type);
  }
  return worth;
}

}  // namespace xpool::scheduler
