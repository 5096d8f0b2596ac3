#include "sim/bounds.h"

#include <algorithm>
#include <vector>

#include "base/status.h"
#include "scheduler/outlook/card_patterns.h"
#include "scheduler/outlook/pool_groups.h"
#include "sim/linear_program.h"

namespace xpool::sim {

using scheduler::CardPatterns;
using scheduler::Demand;
using scheduler::NodeGroup;
using scheduler::PodType;

namespace {

constexpr double kGiB = 1024.0 * 1024 * 1024;  // numbers of about the same size are easier to solve for

// What a pod takes of a group, or a group has.
struct Amounts {
  double cards = 0, filled = 0, cores = 0, memory = 0, card_memory = 0;
};

Amounts AmountsOf(const Demand& demand, const CardPatterns& patterns) {
  Amounts amounts{.cores = static_cast<double>(demand.cpu_milli) / 1000,
                  .memory = static_cast<double>(demand.memory_bytes) / kGiB};
  for (const scheduler::CardRequest& request : demand.cards) {
    amounts.cards += request.count * request.compute.fraction();
    amounts.filled += request.count * patterns.Worth(request.compute.basis_points());
    amounts.card_memory += request.count * static_cast<double>(request.memory_bytes) / kGiB;
  }
  return amounts;
}

Amounts AmountsOf(const NodeGroup& group) {
  const auto nodes = static_cast<double>(group.nodes);
  Amounts amounts{.cards = nodes * static_cast<double>(group.empty.cards().size()),
                  .cores = nodes * static_cast<double>(group.empty.cpu_milli) / 1000,
                  .memory = nodes * static_cast<double>(group.empty.memory_bytes) / kGiB};
  amounts.filled = amounts.cards;
  for (const scheduler::CardState& card : group.empty.cards())
    amounts.card_memory += nodes * static_cast<double>(card.idle_bytes) / kGiB;
  return amounts;
}

// Adds for each group the limits of what it has, and for each type and group that could take it a value: how many pods
// of that type go there.
class Spreading {
 public:
  Spreading(const Cluster& cluster, const Workload& workload) : types_(workload.mix.types), patterns_(workload.mix) {
    std::vector<scheduler::NodeState> nodes = cluster.nodes;
    groups_ = scheduler::GroupNodes(nodes);
    cards_ = static_cast<double>(cluster.compute_milli()) / 1000;
    for (const PodType& type : types_)
      asked_ += static_cast<double>(type.count) * AmountsOf(type.demand, patterns_).cards;
  }

  double cards() const { return cards_; }

  // The most cards in use when |asked| cards are asked for.
  absl::StatusOr<double> Most(double asked) const {
    LinearProgram program;
    std::vector<size_t> of_types;
    for (const PodType& type : types_)
      of_types.push_back(program.AddLimit(static_cast<double>(type.count) * asked / asked_));
    AddGroups(
        of_types, [](const Amounts& amounts) { return amounts.cards; }, &program);
    return program.Solve();
  }

  // The same, in cards asked for, when all types are served in the same part, of |asked| at most.
  absl::StatusOr<double> MostInProportion(double asked) const {
    LinearProgram program;
    std::vector<size_t> of_types;
    // So many of each type as the part times its pods: what is placed, less the part, is at least 0. A type that no
    // group could take is left out; the rest can be served without it.
    std::vector<std::pair<size_t, double>> in_part;
    for (const PodType& type : types_) {
      of_types.push_back(program.AddLimit(0));
      if (IsPossible(type.demand)) in_part.emplace_back(of_types.back(), static_cast<double>(type.count) / asked_);
    }
    in_part.emplace_back(program.AddLimit(asked), 1);
    program.AddValue(1, in_part);
    AddGroups(
        of_types, [](const Amounts&) { return 0.0; }, &program, -1);
    return program.Solve();
  }

 private:
  bool IsPossible(const Demand& demand) const {
    return std::any_of(groups_.begin(), groups_.end(),
                       [&](const NodeGroup& group) { return group.empty.Fits(demand); });
  }

  template <typename WorthOf>
  void AddGroups(const std::vector<size_t>& of_types, const WorthOf& worth_of, LinearProgram* program,
                 double sign = 1) const {
    for (const NodeGroup& group : groups_) {
      const Amounts has = AmountsOf(group);
      const size_t cards = program->AddLimit(has.cards), filled = program->AddLimit(has.filled),
                   cores = program->AddLimit(has.cores), memory = program->AddLimit(has.memory),
                   card_memory = program->AddLimit(has.card_memory);
      for (size_t i = 0; i < types_.size(); ++i) {
        if (!group.empty.Fits(types_[i].demand)) continue;
        const Amounts takes = AmountsOf(types_[i].demand, patterns_);
        program->AddValue(worth_of(takes), {{of_types[i], sign},
                                            {cards, takes.cards},
                                            {filled, takes.filled},
                                            {cores, takes.cores},
                                            {memory, takes.memory},
                                            {card_memory, takes.card_memory}});
      }
    }
  }

  const std::vector<PodType>& types_;
  const CardPatterns patterns_;
  std::vector<NodeGroup> groups_;
  double cards_ = 0, asked_ = 0;
};

}  // namespace

absl::StatusOr<Bounds> BoundsOf(const Cluster& cluster, const Workload& workload, double asked_pct) {
  const Spreading spreading(cluster, workload);
  const double asked = spreading.cards() * asked_pct / 100;
  ASSIGN_OR_RETURN(const double most, spreading.Most(asked));
  ASSIGN_OR_RETURN(const double proportional, spreading.MostInProportion(asked));
  return Bounds{.idle_pct = 100 * (1 - most / spreading.cards()),
                .proportional_idle_pct = 100 * (1 - proportional / spreading.cards())};
}

absl::StatusOr<double> CarriedPct(const Cluster& cluster, const Workload& workload) {
  const Spreading spreading(cluster, workload);
  ASSIGN_OR_RETURN(const double most, spreading.MostInProportion(spreading.cards()));
  return 100 * most / spreading.cards();
}

}  // namespace xpool::sim
