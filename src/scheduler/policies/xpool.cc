#include "scheduler/policies/xpool.h"

#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "scheduler/model/mixed.h"

namespace xpool::scheduler {
namespace {

constexpr double kCardMilli = 1000;
constexpr double kNotable = 0.1;  // change of the turnover, that is worth looking at all nodes again

// |node| with its CPU in whole grains, so that states which hardly differ are one.
NodeState InGrains(NodeState node, int64_t grain_milli) {
  node.cpu_milli -= std::max<int64_t>(0, node.cpu_milli) % grain_milli;
  return node;
}

struct Setting {
  const char* name;
  double least, most;
  void (*set)(double value, XpoolOptions* options);
};
constexpr std::array kSettings = {
    Setting{"fragmentation", 0, 100, [](double value, XpoolOptions* of) { of->fragmentation = value; }},
    Setting{"card-memory", 0, 100, [](double value, XpoolOptions* of) { of->card_memory = value; }},
    Setting{"turnover", 0, 100, [](double value, XpoolOptions* of) { of->turnover = value; }},
    Setting{"lookahead", 0, 100, [](double value, XpoolOptions* of) { of->lookahead = value; }},
    Setting{"scarcity", 0, 100, [](double value, XpoolOptions* of) { of->scarcity = value; }},
    Setting{"patterns", 0, 100, [](double value, XpoolOptions* of) { of->patterns = value; }},
    Setting{"prices", 0, 100, [](double value, XpoolOptions* of) { of->prices = value; }},
    Setting{"cpu-prices", 0, 100, [](double value, XpoolOptions* of) { of->cpu_prices = value; }},
    Setting{"price-temperature", 0.001, 10,
            [](double value, XpoolOptions* of) { of->price_options.temperature = value; }},
    Setting{"price-fill", 0.1, 10, [](double value, XpoolOptions* of) { of->price_options.fill = value; }},
    Setting{"steps", 1, 10'000, [](double value, XpoolOptions* of) { of->steps = static_cast<int>(value); }},
    Setting{"spare", 0, 1, [](double value, XpoolOptions* of) { of->spare = value >= 1; }},
    Setting{"margin", 0, 10, [](double value, XpoolOptions* of) { of->scarcity_options.margin = value; }},
    Setting{"sequences", 1, 1000,
            [](double value, XpoolOptions* of) { of->lookahead_options.sequences = static_cast<int>(value); }},
    Setting{"arrivals", 1, kMostArrivals,
            [](double value, XpoolOptions* of) { of->lookahead_options.arrivals = static_cast<int>(value); }},
    Setting{"cpu-grain", 1, 1'000'000,
            [](double value, XpoolOptions* of) { of->cpu_grain_milli = static_cast<int64_t>(value); }},
};

}  // namespace

absl::Status SetXpoolOption(absl::string_view name, double value, XpoolOptions* options) {
  std::string names;
  for (const Setting& setting : kSettings) {
    absl::StrAppend(&names, names.empty() ? "" : ", ", setting.name);
    if (name != setting.name) continue;
    if (value < setting.least || value > setting.most) {
      return absl::InvalidArgumentError(absl::StrCat("policy xpool: ", name, " is ", value, ", and must be from ",
                                                     setting.least, " to ", setting.most));
    }
    setting.set(value, options);
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("policy xpool has no option \"", name, "\"; it has ", names));
}

Xpool::Xpool(const Outlook& outlook, const XpoolOptions& options)
    : options_(options),
      fragmentation_(outlook.mix),
      fragmentation_weight_(options.fragmentation + (outlook.mix.AsksForMemoryOfCards() ? options.card_memory : 0)),
      patterns_(outlook.mix),
      prices_(outlook.mix, outlook.groups, options.price_options),
      lookahead_(outlook.mix, options.lookahead_options),
      balance_(BalanceOf(outlook.mix, outlook.groups)),
      scarcity_(outlook.mix, options.scarcity_options) {
  for (size_t i = 0; i < scores_.size(); ++i) {
    const double cost = static_cast<double>(i) / kCostSteps - kMostCost;
    scores_[i] = static_cast<int32_t>(options_.steps / (1 + std::exp(cost)));
  }
}

void Xpool::Observe(const NodeTable& nodes, const Flow& flow) {
  const bool is_scarcer = scarcity_.Observe(nodes, flow), is_busier = std::abs(flow.turnover - turnover_) > kNotable;
  if (is_busier) turnover_ = flow.turnover;
  if (is_scarcer || is_busier) ++epoch_;
}

// In cards. Where it is not the cards that run out first, only looking ahead sees what is lost: it counts twice then.
double Xpool::WasteOf(const NodeState& node, double fragmented_milli) const {
  const Lookahead::Idle idle = lookahead_.Of(node);
  const double left = balance_.card * idle.cards + balance_.core * idle.cores + balance_.card_gib * idle.card_gib;
  return fragmentation_weight_ * fragmented_milli / kCardMilli + options_.lookahead * (2 - balance_.card) * left;
}

Xpool::Kept Xpool::KeptOf(const NodeState& node) const {
  const int64_t grain = node.cpu_milli / options_.cpu_grain_milli;
  bool is_new = false;
  Kept& kept = kept_.At(Mixed(node.shape() ^ Mixed(static_cast<uint64_t>(grain))), &is_new);
  if (!is_new && kept.epoch == epoch_) return kept;
  const NodeState in_grains = InGrains(node, options_.cpu_grain_milli);
  const double fragmented_milli = is_new || turnover_ > 0 ? fragmentation_.Of(in_grains) : 0;
  if (is_new) kept.waste = static_cast<float>(WasteOf(in_grains, fragmented_milli));
  const double places = options_.scarcity * scarcity_.WorthOf(in_grains) -
                        options_.turnover * turnover_ * (fragmented_milli / kCardMilli);
  kept.places = static_cast<int16_t>(std::clamp<double>(places * kPlaceSteps, INT16_MIN, INT16_MAX));
  kept.epoch = epoch_;
  return kept;
}

// In cards; the less, the better.
double Xpool::Value(const NodeState& node) const {
  const Kept kept = KeptOf(node);
  return double{kept.waste} - PlacesOf(kept);
}

double Xpool::Price(const Demand& demand, uint16_t group) const {
  const double cards = static_cast<double>(demand.compute_milli()) / kCardMilli;
  const double cores = static_cast<double>(demand.cpu_milli) / 1000;
  return options_.prices * (prices_.card(group) * cards + options_.cpu_prices * prices_.core(group) * cores);
}

double Xpool::Spoiled(const Demand& demand, const NodeState& before, const NodeState& after) const {
  if (!demand.shares()) return 0;
  double spoiled = 0;
  for (size_t card = 0; card < before.cards().size(); ++card) {
    const int idle = before.cards()[card].idle, taken = idle - after.cards()[card].idle;
    if (taken > 0) spoiled += patterns_.Spoiled(idle, taken);
  }
  return options_.patterns * spoiled;
}

int32_t Xpool::ScoreOf(double cost) const {
  const double place = (std::clamp<double>(cost, -kMostCost, kMostCost) + kMostCost) * kCostSteps;
  return scores_[static_cast<size_t>(place + 0.5)];
}

double Xpool::CostOf(const Demand& demand, const NodeState& before, double value, const NodeState& after) const {
  return Value(after) - value + Price(demand, before.group) + Spoiled(demand, before, after);
}

int32_t Xpool::Score(const Demand& demand, const NodeState& before, double value, const NodeState& after) const {
  return ScoreOf(CostOf(demand, before, value, after));
}

std::optional<double> Xpool::Cost(const Demand& demand, const NodeState& before, const NodeState& after) const {
  return CostOf(demand, before, Value(before), after);
}

std::vector<ScorePart> Xpool::Explain(const Demand& demand, const NodeState& before, const NodeState& after) const {
  const Kept now = KeptOf(before), then = KeptOf(after);
  return {{"waste", double{then.waste} - double{now.waste}},
          {"places", PlacesOf(now) - PlacesOf(then)},
          {"spoiled", Spoiled(demand, before, after)},
          {"price", Price(demand, before.group)}};
}

}  // namespace xpool::scheduler
