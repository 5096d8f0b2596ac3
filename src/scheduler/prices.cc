#include "scheduler/prices.h"

#include <algorithm>
#include <cmath>

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

}  // namespace

Prices::Prices(const Mix& mix, const std::vector<NodeGroup>& groups, const PriceOptions& options)
    : cards_(groups.size()), cores_(groups.size()) {
  const std::vector<Capacity> capacities = CapacitiesOf(groups);
  double cards = 0;
  for (const Capacity& capacity : capacities) cards += capacity.cards;
  const std::vector<Ask> asks = AsksOf(mix, groups, cards * options.fill);
  std::vector<Capacity> load;
  std::vector<double> weight;
  for (int round = 0; round < options.rounds; ++round) {
    load.assign(groups.size(), {});
    for (const Ask& ask : asks) {
      weight.clear();
      double best = 1e300;
      for (const size_t g : ask.groups) best = std::min(best, cards_[g] * ask.cards + cores_[g] * ask.cores);
      double sum = 0;
      for (const size_t g : ask.groups) {
        const double room = capacities[g].cards + 1e-3 * capacities[g].cores;  // larger groups take more
        weight.push_back(room * std::exp((best - cards_[g] * ask.cards - cores_[g] * ask.cores) / options.temperature));
        sum += weight.back();
      }
      for (size_t i = 0; i < ask.groups.size(); ++i) {
        const double pods = ask.pods * weight[i] / sum;
        load[ask.groups[i]].cards += pods * ask.cards;
        load[ask.groups[i]].cores += pods * ask.cores;
      }
    }
    const double step = options.step / (1 + round / 200.0);
    for (size_t g = 0; g < groups.size(); ++g) {
      const auto raise = [step](double price, double used, double there, double unit) {
        return there <= 0 ? price : std::max(0.0, price + step * unit * (used / there - 1));
      };
      cards_[g] = raise(cards_[g], load[g].cards, capacities[g].cards, 1);
      cores_[g] = raise(cores_[g], load[g].cores, capacities[g].cores, 0.1);
    }
  }
}

}  // namespace xpool::scheduler
