// Which node to spare for a pod that waits, so that those who are small and keep coming do not eat up what becomes free
// there: the one that is likely to have room for it the soonest. Nobody is kept from it; who finds room elsewhere goes
// elsewhere. Pure.
//
// What runs on a node will have ended by some time if it says so; if it does not say when it ends, with a chance that
// depends on the time alone, as runtimes that are distributed exponentially have it. There is room once it is as likely
// as not that enough CPU, memory and, of so many cards as are expected, compute and memory are free.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"
#include "scheduler/pool/pool_state.h"

namespace xpool::scheduler {

// |accepts|: nodes that may be spared. |end_of|: of a pod that runs; kNever when it is not known. Nothing when there
// would not be room anywhere, all being empty. Of equals the first node.
std::optional<NodeIndex> NodeToSpare(const PoolState& pool, const Demand& demand, int64_t now_ns,
                                     absl::FunctionRef<bool(NodeIndex)> accepts,
                                     absl::FunctionRef<int64_t(PodId)> end_of);

}  // namespace xpool::scheduler
