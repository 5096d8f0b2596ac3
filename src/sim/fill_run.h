// The fill-up experiment (Weng et al., "Beware of Fragmentation", USENIX ATC'23, section 6.1): pods arrive one after
// the other, nobody departs, and one that fits nowhere is dropped. What counts is how much of the cards' compute is
// allocated by the time that so much has been asked for.
#pragma once

#include <cstdint>
#include <vector>

#include "scheduler/policies/policy.h"
#include "scheduler/pool/pool_state.h"
#include "sim/openb.h"

namespace xpool::sim {

struct FillOptions {
  double until_pct = 130;
  // Pods that may take cards of another node do so where that is better, at the cost of a worker there and of the
  // network: so many cards' worth for each.
  bool remote = false;
  scheduler::WorkerNeeds worker;
  double network_cost = 0.1;
};

struct FillCurve {
  // By arrived percent of all cards' compute, rounded: the mean of what was allocated after each of the pods that
  // arrived there, in percent; NaN where none did.
  std::vector<double> allocated_pct;
  int64_t placed = 0, dropped = 0;
  int64_t remote = 0;       // of those placed, with cards of another node
  double remote_cards = 0;  // that those use
};

// The mix of |workload| for a policy, when pods may be placed in parts: those that may are two, the cards with a worker
// and the rest.
scheduler::Mix MixInParts(const Workload& workload, const scheduler::WorkerNeeds& worker);

// Until so many percent of the compute of all cards have been asked for, or nothing arrives any more. |policy| is
// shown the pool every now and then, and must be new.
FillCurve RunFill(const Cluster& cluster, const Workload& workload, const Arrivals& arrivals, scheduler::Policy* policy,
                  const FillOptions& options = {});

}  // namespace xpool::sim
