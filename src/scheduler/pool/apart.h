// Cards of one node and the rest on another: for pods that may take XPUs over the network.
#pragma once

#include <optional>

#include "absl/functional/function_ref.h"
#include "scheduler/pool/placer.h"

namespace xpool::scheduler {

// What a pod takes of two nodes. |lent|: the cards, and what the worker needs that serves them.
struct ApartDemand {
  Demand lent, rest;
};

struct Apart {
  Choice lent, rest;  // on different nodes
};

std::optional<Apart> PlaceApart(Placer& placer, const NodeTable& nodes, const ApartDemand& demand,
                                absl::FunctionRef<bool(NodeIndex)> accepts_lent,
                                absl::FunctionRef<bool(NodeIndex)> accepts_rest);

// Whether a pod should be placed apart though it could be placed whole: when that costs the pool less, by more than
// |network_cost| (in cards) for each card. Never, by policies that cannot tell.
bool IsBetterApart(const Policy& policy, const NodeTable& nodes, const Demand& whole, const Choice& choice,
                   const ApartDemand& demand, const Apart& apart, double network_cost);

}  // namespace xpool::scheduler
