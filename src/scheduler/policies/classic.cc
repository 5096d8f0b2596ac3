#include "scheduler/policies/classic.h"

#include <algorithm>
#include <cstdint>

#include "scheduler/model/mixed.h"

namespace xpool::scheduler {
namespace {

constexpr int32_t kBest = 100;
constexpr double kLargestCpuMilli = 128'000, kLargestMilli = 8'000;

}  // namespace

int32_t BestFit::Score(const Demand& demand, const NodeState& before, double, const NodeState&) const {
  // What is left is what was idle less what is asked for, in this order: roundings decide ties.
  const auto cpu_left = static_cast<double>(before.cpu_milli - demand.cpu_milli);
  const auto compute_left = static_cast<double>(before.idle_milli() - demand.compute_milli());
  double left = cpu_left / kLargestCpuMilli * 0.5;
  left += compute_left / kLargestMilli * 0.5;
  return static_cast<int32_t>((1.0 - left) * kBest);
}

int32_t DotProduct::Score(const Demand& demand, const NodeState& before, double, const NodeState&) const {
  const double cpu = static_cast<double>(before.cpu_milli) / kLargestCpuMilli *
                     (static_cast<double>(demand.cpu_milli) / kLargestCpuMilli);
  const double compute = static_cast<double>(before.idle_milli()) / kLargestMilli *
                         (static_cast<double>(demand.compute_milli()) / kLargestMilli);
  return static_cast<int32_t>(kBest * (1 - (cpu + compute) / 2));
}

int32_t Packing::Score(const Demand& demand, const NodeState& before, double, const NodeState& after) const {
  constexpr int32_t kCardsInUse = kBest / 2, kNodeInUse = kBest / 3;  // the least scores of the two better cases
  if (demand.cards.empty()) return 0;
  const int32_t whole = before.whole_count();
  if (whole == static_cast<int32_t>(before.cards().size())) return std::max(kNodeInUse - whole, whole);
  const int32_t broken = whole - after.whole_count();  // idle cards that it would take
  if (broken > 0) return std::max(kCardsInUse - broken, kNodeInUse);
  int32_t idle_percent = 0;
  for (size_t i = 0; i < before.cards().size(); ++i) {
    const bool taken = before.cards()[i].idle != after.cards()[i].idle;
    idle_percent += taken ? before.cards()[i].idle_milli() / 10 : 0;
  }
  return std::max(kBest - idle_percent / 10, kCardsInUse);
}

int32_t Clustering::Score(const Demand& demand, const NodeState& before, double, const NodeState&) const {
  constexpr int32_t kStep = kBest / 4;
  constexpr int64_t kLargest = 8'000;
  if (demand.cards.empty()) return 0;
  const uint32_t kind = KindOf(demand);
  int32_t step = 0;  // beside other kinds alone
  if ((before.kinds & kind) != 0)
    step = before.kinds == kind ? 3 : 2;
  else if (before.kinds == 0)
    step = 1;
  return static_cast<int32_t>(kStep * (kLargest - before.idle_milli()) / kLargest) + kStep * step;
}

int32_t RandomOrder::Score(const Demand& demand, const NodeState& before, double, const NodeState& after) const {
  const auto asked = static_cast<uint64_t>(demand.cpu_milli * 1'000'003 + demand.compute_milli());
  const uint64_t state = before.shape() ^ Mixed(static_cast<uint64_t>(before.cpu_milli));
  return static_cast<int32_t>(Mixed(state ^ Mixed(after.shape() ^ Mixed(asked))) & INT32_MAX);
}

int32_t Spread::Score(const Demand&, const NodeState& before, double, const NodeState& after) const {
  constexpr int32_t kCardSteps = 128;
  const double left = static_cast<double>(after.cpu_milli) / kLargestCpuMilli * 0.5 +
                      static_cast<double>(after.idle_milli()) / kLargestMilli * 0.5;
  int32_t fullest = kBest;  // of the cards taken
  for (size_t i = 0; i < before.cards().size(); ++i) {
    const int32_t idle = after.cards()[i].idle_milli() / 10;
    if (before.cards()[i].idle != after.cards()[i].idle) fullest = std::min(fullest, idle);
  }
  return static_cast<int32_t>(std::clamp(left, -1e4, 1e4) * kBest) * kCardSteps + fullest;
}

}  // namespace xpool::scheduler
