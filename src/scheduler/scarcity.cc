#include "scheduler/scarcity.h"

#include <algorithm>
#include <cmath>

namespace xpool::scheduler {
namespace {

constexpr double kCardMilli = 1000;
constexpr double kNothing = 1e-4;

// That a normally distributed value exceeds its mean by |deviations|.
double Above(double deviations) { return 0.5 * std::erfc(deviations / std::sqrt(2.0)); }

}  // namespace

Scarcity::Scarcity(const Mix& mix, const ScarcityOptions& options) : options_(options) {
  const auto all = static_cast<double>(mix.count());
  for (const PodType& type : mix.types) {
    const double part = static_cast<double>(type.count) / all;
    const double cards = static_cast<double>(type.demand.compute_milli()) / kCardMilli;
    cards_per_pod_ += part * cards;
    if (type.demand.cards.empty()) continue;
    const CardRequest& request = type.demand.cards[0];
    if (request.count > 1 || request.models != kAnyModel)
      types_.push_back({type.demand.cpu_milli, request, part, cards});
  }
}

double Scarcity::PlacesOn(const NodeState& node, const Type& type) {
  const int share = std::max(1, type.request.compute.basis_points());
  int fitting = 0;
  for (const CardState& card : node.cards()) fitting += card.CouldServe(type.request) ? card.idle / share : 0;
  const int64_t places = fitting / std::max<int>(1, type.request.count);
  if (places == 0 || type.cpu_milli == 0) return static_cast<double>(places);
  return static_cast<double>(std::clamp<int64_t>(node.cpu_milli / type.cpu_milli, 0, places));
}

bool Scarcity::Observe(const NodeTable& nodes) {
  if (types_.empty()) return false;
  double idle_cards = 0;
  std::vector<double> places(types_.size(), 0);
  for (NodeIndex node = 0; node < nodes.size(); ++node) {
    idle_cards += static_cast<double>(nodes[node].idle_milli()) / kCardMilli;
    for (size_t i = 0; i < types_.size(); ++i) places[i] += PlacesOn(nodes[node], types_[i]);
  }
  const double pods_to_come = idle_cards / std::max(cards_per_pod_, 1e-9);
  std::vector<double> worths;
  bool notable = false;
  for (size_t i = 0; i < types_.size(); ++i) {
    const double to_come = pods_to_come * types_[i].part;
    const double spare = (places[i] - to_come) / std::sqrt(to_come + 1);
    worths.push_back(types_[i].cards * Above(spare - options_.margin));
    notable = notable || std::abs(worths[i] - types_[i].worth) > options_.notable;
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
