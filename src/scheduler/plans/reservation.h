// Which nodes to keep for a gang that waits, so that those who are small and keep coming do not starve it: the ones on
// which it can start the soonest, if what runs there ends when it says. Whoever ends before that may use them meanwhile
// (backfill: Mu'alem & Feitelson, "Utilization, Predictability, Workloads, and User Runtime Estimates in Scheduling the
// IBM SP2 with Backfilling", IEEE TPDS 2001). Pure.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "scheduler/gangs/gang_placement.h"

namespace xpool::scheduler {

inline constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

struct ReservationPlan {
  std::vector<NodeIndex> nodes;
  int64_t start_ns = 0;  // 0: not known, as something there does not say when it ends
};

// |accepts|: nodes that may be kept. |end_of|: of a pod that runs; kNever when it is not known. A node counts as free
// for the gang once everything on it has ended; until then with what is left on it. Of a gang with several roles the
// first is looked at. Nothing when not even an empty pool would do.
std::optional<ReservationPlan> PlanReservation(const PoolState& pool, const TopologyTree& tree, const GangWish& wish,
                                               int64_t now_ns, absl::FunctionRef<bool(NodeIndex)> accepts,
                                               absl::FunctionRef<int64_t(PodId)> end_of);

}  // namespace xpool::scheduler
