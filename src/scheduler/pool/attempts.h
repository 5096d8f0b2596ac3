// The ways in which a pod's wishes could be met, in the order in which they should be tried: every choice of
// alternatives of its claims' requests, the earlier ones first, each with its XPUs on the pod's own node before another
// one where both will do. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "scheduler/pool/pool_state.h"

namespace xpool::scheduler {

struct Attempt {
  Demand local;                  // of the node that the pod runs on
  std::optional<Demand> remote;  // of the node whose XPUs it is lent
  bool is_other_way = false;     // of the attempt before: what may be anywhere is remote here, and local there
  // Whose requests are whose: of each claim that is to be placed, its first one, in |local| or |remote|.
  struct Part {
    ClaimId claim;
    std::vector<uint8_t> alternatives;
    bool is_remote;
    size_t first;
  };
  std::vector<Part> parts;
};

inline constexpr size_t kMostAttempts = 64;  // of one pod; further ones are not tried

std::vector<Attempt> AttemptsOf(const PoolState& pool, PodId pod);

// The node that a pod must run on, for claims that it shares are placed there already; kNobody: any. False when they
// are on different nodes, so that no node will do.
bool PinnedTo(const PoolState& pool, PodId pod, NodeIndex* node);

// What the chosen |cards| mean for each claim.
std::vector<std::pair<ClaimId, ClaimPlace>> PlacesOf(const Attempt& attempt, NodeIndex node, const Cards& cards,
                                                     NodeIndex remote_node, const Cards& remote_cards);

}  // namespace xpool::scheduler
