#include "scheduler/policies/policy.h"

#include <array>
#include <cmath>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "scheduler/policies/classic.h"
#include "scheduler/policies/fgd.h"
#include "scheduler/policies/xpool.h"

namespace xpool::scheduler {
namespace {

// Options as they were written.
using Settings = std::vector<std::pair<std::string, double>>;
using Made = absl::StatusOr<std::unique_ptr<Policy>>;

template <typename T>
Made Plain(absl::string_view name, const Outlook&, const Settings& settings) {
  if (!settings.empty()) return absl::InvalidArgumentError(absl::StrCat("policy ", name, " has no options"));
  return std::make_unique<T>();
}

Made MakeFgd(absl::string_view, const Outlook& outlook, const Settings& settings) {
  if (!settings.empty()) return absl::InvalidArgumentError("policy fgd has no options");
  return std::make_unique<Fgd>(outlook.mix);
}

Made MakeXpool(absl::string_view, const Outlook& outlook, const Settings& settings) {
  XpoolOptions options;
  for (const auto& [name, value] : settings) RETURN_IF_ERROR(SetXpoolOption(name, value, &options));
  return std::make_unique<Xpool>(outlook, options);
}

struct Maker {
  const char* name;
  Made (*make)(absl::string_view name, const Outlook& outlook, const Settings& settings);
};
constexpr std::array kMakers = {
    Maker{"bestfit", Plain<BestFit>},    Maker{"clustering", Plain<Clustering>},
    Maker{"dotprod", Plain<DotProduct>}, Maker{"fgd", MakeFgd},
    Maker{"packing", Plain<Packing>},    Maker{"random", Plain<RandomOrder>},
    Maker{"spread", Plain<Spread>},      Maker{"xpool", MakeXpool},
};

absl::StatusOr<Settings> SettingsIn(absl::string_view spec, const std::vector<std::string>& words) {
  Settings settings;
  for (size_t i = 1; i < words.size(); ++i) {
    const std::vector<std::string> parts = absl::StrSplit(words[i], '=');
    double value = 0;
    if (parts.size() != 2 || !absl::SimpleAtod(parts[1], &value) || !std::isfinite(value)) {
      return absl::InvalidArgumentError(
          absl::StrCat("policy \"", spec, "\": \"", words[i], "\" is not OPTION=NUMBER, such as lookahead=0.5"));
    }
    settings.emplace_back(parts[0], value);
  }
  return settings;
}

// Whether an earlier card of |candidates| than |card| is just like it.
bool IsRepeated(std::span<const CardState> cards, CardSet candidates, size_t card) {
  for (size_t earlier = 0; earlier < card; ++earlier) {
    if ((candidates >> earlier & 1) != 0 && cards[earlier] == cards[card]) return true;
  }
  return false;
}

}  // namespace

std::string PolicyNames() {
  std::string names;
  for (const Maker& maker : kMakers) absl::StrAppend(&names, names.empty() ? "" : ", ", maker.name);
  return names;
}

absl::StatusOr<std::unique_ptr<Policy>> MakePolicy(absl::string_view spec, const Outlook& outlook) {
  const std::vector<std::string> words = absl::StrSplit(spec, ':');
  ASSIGN_OR_RETURN(const Settings settings, SettingsIn(spec, words));
  for (const Maker& maker : kMakers) {
    if (words[0] == maker.name) return maker.make(words[0], outlook, settings);
  }
  return absl::InvalidArgumentError(absl::StrCat("there is no policy \"", words[0], "\"; there are ", PolicyNames()));
}

std::optional<Option> BestOption(const Policy& policy, const Demand& demand, const NodeState& node) {
  return BestOption(policy, demand, node, policy.Value(node));
}

std::optional<Option> BestOption(const Policy& policy, const Demand& demand, const NodeState& node, double value) {
  if (!node.Fits(demand)) return std::nullopt;
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
