#include "scheduler/pool/lack.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"

namespace xpool::scheduler {
namespace {

// Whether, for each request, |serves|(card, request) holds for as many cards as it wants.
template <typename Serves>
bool HasCards(const NodeState& node, const Demand& demand, const Serves& serves) {
  return std::all_of(demand.cards.begin(), demand.cards.end(), [&](const CardRequest& request) {
    const auto count = std::count_if(node.cards().begin(), node.cards().end(),
                                     [&](const CardState& card) { return serves(card, request); });
    return count >= request.count;
  });
}

}  // namespace

Lack LackOf(const NodeState& node, const Demand& demand) {
  const auto is_of_model = [](const CardState& card, const CardRequest& request) {
    return card.usable && card.IsOneOf(request.models);
  };
  const auto has_compute = [&](const CardState& card, const CardRequest& request) {
    return is_of_model(card, request) && card.idle >= request.compute.basis_points();
  };
  if (node.Fits(demand)) return Lack::kNothing;
  if (!HasCards(node, demand, is_of_model)) return Lack::kModel;
  if (!HasCards(node, demand, has_compute)) return Lack::kCompute;
  if (!HasCards(node, demand, [](const CardState& card, const CardRequest& of) { return card.Serves(of); }))
    return Lack::kCardMemory;
  if (node.cpu_milli < demand.cpu_milli) return Lack::kCpu;
  if (!node.HasMemoryFor(demand)) return Lack::kMemory;
  return Lack::kConnection;
}

const char* NameOf(Lack lack) {
  constexpr std::array kNames = {"nothing",
                                 "permission (cordoned, not ready, not selected or tainted)",
                                 "a place: reserved",
                                 "the model",
                                 "compute",
                                 "card memory",
                                 "connected cards",
                                 "CPU",
                                 "memory"};
  static_assert(kNames.size() == static_cast<size_t>(Lack::kCount));
  return kNames[static_cast<size_t>(lack)];
}

std::string Lacks::ToString() const {
  std::vector<Lack> order;
  for (size_t i = 1; i < nodes.size(); ++i) {
    if (nodes[i] > 0) order.push_back(static_cast<Lack>(i));
  }
  if (order.empty()) return "there is no node";
  std::stable_sort(order.begin(), order.end(), [&](Lack one, Lack other) { return (*this)[one] > (*this)[other]; });
  std::string text;
  for (const Lack lack : order) {
    if (text.empty()) {
      absl::StrAppend(&text, (*this)[lack], (*this)[lack] == 1 ? " node lacks " : " nodes lack ", NameOf(lack));
    } else {
      absl::StrAppend(&text, ", ", (*this)[lack], " ", NameOf(lack));
    }
  }
  return text;
}

}  // namespace xpool::scheduler
