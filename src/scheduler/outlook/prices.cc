#include "scheduler/outlook/prices.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace xpool::scheduler {
namespace {

struct Capacity {
  double cards = 0, cores = 0;  // of all nodes of a group
};

struct Ask {
  double cards, cores;         // of one pod
  double pods;                 // expected
  std::vector<size_t> groups;  // that could take it
};

std::vector<Capacity> CapacitiesOf(const std::vector<NodeGroup>& groups) {
  std::vector<Capacity> capacities;
  for (const NodeGroup& group : groups) {
    const auto nodes = static_cast<double>(group.nodes);
    capacities.push_back({nodes * static_cast<double>(group.empty.idle_milli()) / 1000,
                          nodes * static_cast<double>(group.empty.cpu_milli) / 1000});
  }
  return capacities;
}

std::vector<Ask> AsksOf(const Mix& mix, const std::vector<NodeGroup>& groups, double cards_to_fill) {
  double cards_asked = 0;
  for (const PodType& type : mix.types)
    cards_asked += static_cast<double>(type.count * type.demand.compute_milli()) / 1000;
  std::vector<Ask> asks;
  for (const PodType& type : mix.types) {
    Ask ask{static_cast<double>(type.demand.compute_milli()) / 1000,
            static_cast<double>(type.demand.cpu_milli) / 1000,
            static_cast<double>(type.count) * cards_to_fill / std::max(cards_asked, 1e-9),
            {}};
    for (size_t group = 0; group < groups.size(); ++group) {
      if (groups[group].empty.Fits(type.demand)) ask.groups.push_back(group);
    }
    if (!ask.groups.empty()) asks.push_back(std::move(ask));
  }
  return asks;
}

struct Tariff {
  std::vector<double> cards, cores;  // prices by group

  double Of(const Ask& ask, size_t group) const { return cards[group] * ask.cards + cores[group] * ask.cores; }
};

// Spreads |ask| over its groups, the cheaper and the larger ones more, and adds that to |load|.
void Spread(const Ask& ask, const Tariff& tariff, const std::vector<Capacity>& capacities, double temperature,
            std::vector<Capacity>* load) {
  double cheapest = std::numeric_limits<double>::max(), sum = 0;
  for (const size_t group : ask.groups) cheapest = std::min(cheapest, tariff.Of(ask, group));
  std::vector<double> weights;
  for (const size_t group : ask.groups) {
    const double room = capacities[group].cards + 1e-3 * capacities[group].cores;
    weights.push_back(room * std::exp((cheapest - tariff.Of(ask, group)) / temperature));
    sum += weights.back();
  }
  for (size_t i = 0; i < ask.groups.size(); ++i) {
    const double pods = ask.pods * weights[i] / sum;
    (*load)[ask.groups[i]].cards += pods * ask.cards;
    (*load)[ask.groups[i]].cores += pods * ask.cores;
  }
}

// A price after a step of the ascent: up where more is used than there is, down to 0 where less.
double Raised(double price, double used, double there, double step) {
  return there <= 0 ? price : std::max(0.0, price + step * (used / there - 1));
}

}  // namespace

Prices::Prices(const Mix& mix, const std::vector<NodeGroup>& groups, const PriceOptions& options) {
  constexpr double kCoreStep = 0.1;  // of a card's
  const std::vector<Capacity> capacities = CapacitiesOf(groups);
  double cards = 0;
  for (const Capacity& capacity : capacities) cards += capacity.cards;
  const std::vector<Ask> asks = AsksOf(mix, groups, cards * options.fill);
  Tariff tariff{std::vector<double>(groups.size()), std::vector<double>(groups.size())};
  for (int round = 0; round < options.rounds; ++round) {
    std::vector<Capacity> load(groups.size());
    for (const Ask& ask : asks) Spread(ask, tariff, capacities, options.temperature, &load);
    const double step = options.step / (1 + round / 200.0);
    for (size_t g = 0; g < groups.size(); ++g) {
      tariff.cards[g] = Raised(tariff.cards[g], load[g].cards, capacities[g].cards, step);
      tariff.cores[g] = Raised(tariff.cores[g], load[g].cores, capacities[g].cores, step * kCoreStep);
    }
  }
  cards_ = std::move(tariff.cards);
  cores_ = std::move(tariff.cores);
}

}  // namespace xpool::scheduler
