#include "scheduler/policy.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "scheduler/policies/classic.h"
#include "scheduler/policies/fgd.h"
#include "scheduler/policies/xpool.h"

namespace xpool::scheduler {
namespace {

struct Maker {
  const char* name;
  std::unique_ptr<Policy> (*make)(const Outlook& outlook);
};
constexpr std::array kMakers = {
    Maker{"bestfit", [](const Outlook&) -> std::unique_ptr<Policy> { return std::make_unique<BestFit>(); }},
    Maker{"clustering", [](const Outlook&) -> std::unique_ptr<Policy> { return std::make_unique<Clustering>(); }},
    Maker{"dotprod", [](const Outlook&) -> std::unique_ptr<Policy> { return std::make_unique<DotProduct>(); }},
    Maker{"fgd", [](const Outlook& of) -> std::unique_ptr<Policy> { return std::make_unique<Fgd>(of.mix); }},
    Maker{"packing", [](const Outlook&) -> std::unique_ptr<Policy> { return std::make_unique<Packing>(); }},
    Maker{"xpool", [](const Outlook& of) -> std::unique_ptr<Policy> { return std::make_unique<Xpool>(of); }},
};

// Whether an earlier card of |candidates| than |card| is just like it.
bool IsRepeated(std::span<const CardState> cards, CardSet candidates, size_t card) {
  for (size_t earlier = 0; earlier < card; ++earlier) {
    if ((candidates >> earlier & 1) != 0 && cards[earlier] == cards[card]) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Policy>> MakePolicy(absl::string_view name, const Outlook& outlook) {
  std::string names;
  for (const Maker& maker : kMakers) {
    if (name == maker.name) return maker.make(outlook);
    absl::StrAppend(&names, names.empty() ? "" : ", ", maker.name);
  }
  return absl::InvalidArgumentError(absl::StrCat("there is no policy \"", name, "\"; there are ", names));
}

std::optional<Option> BestOption(const Policy& policy, const Demand& demand, const NodeState& node) {
  if (!node.Fits(demand)) return std::nullopt;
  const double value = policy.Value(node);
  const auto option_with = [&](const Cards& cards) {
    NodeState after = node;
    after.Take(demand, cards);
    return Option{policy.Score(demand, node, value, after), cards};
  };
  if (!policy.scores_cards() || !demand.shares()) return option_with(TightestCards(node, demand));
  const CardSet candidates = node.Candidates(demand.cards[0]);
  std::optional<Option> best;
  for (size_t card = 0; card < node.cards().size(); ++card) {
    if ((candidates >> card & 1) == 0 || IsRepeated(node.cards(), candidates, card)) continue;
    const Option option = option_with(Cards{static_cast<CardSet>(1u << card)});
    if (!best.has_value() || option.score > best->score) best = option;
  }
  return best;
}

}  // namespace xpool::scheduler
