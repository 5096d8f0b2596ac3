// Which pods should be stopped so that one that matters more can run. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "scheduler/plans/clearing.h"

namespace xpool::scheduler {

struct EvictionOptions {
  size_t most_units = 1024;  // pods or gangs that may be stopped
  // What has run for less is left alone, and who has waited for less has nobody stopped: so that work gets done between
  // two evictions, and what ends by itself is not stopped first.
  int64_t least_runtime_ns = 600'000'000'000, least_wait_ns = 10'000'000'000;
};

struct EvictionPlan {
  std::vector<PodId> victims;
  std::vector<NodeIndex> nodes;  // that are to be kept for whom they are stopped
  double cost = 0;               // in card-hours, see CostOfStopping()
};

// What is lost with a pod: the card-hours that it has computed, which may have to be done again, and one for the
// trouble; a higher priority counts as more, by a hundredth of it.
double CostOfStopping(const PoolState& pool, PodId pod, int64_t since_ns, int64_t now_ns);

// The cheapest victims of a lower priority than |priority|, all of them preemptible and past their least runtime, gangs
// as a whole. Nothing when that is not enough. |since_of|: when a pod was placed.
std::optional<EvictionPlan> PlanEviction(const PoolState& pool, const TopologyTree& tree, const ClearingWish& wish,
                                         int32_t priority, int64_t now_ns, const EvictionOptions& options,
                                         absl::FunctionRef<bool(NodeIndex)> accepts,
                                         absl::FunctionRef<int64_t(PodId)> since_of);

}  // namespace xpool::scheduler
