// The fill-up experiment (Weng et al., "Beware of Fragmentation", USENIX ATC'23, section 6.1): pods arrive one after
// the other, nobody departs, and one that fits nowhere is dropped. What counts is how much of the cards' compute is
// allocated by the time that so much has been asked for.
#pragma once

#include <cstdint>
#include <vector>

#include "scheduler/policies/policy.h"
#include "sim/openb.h"

namespace xpool::sim {

struct FillCurve {
  // By arrived percent of all cards' compute, rounded: the mean of what was allocated after each of the pods that
  // arrived there, in percent; NaN where none did.
  std::vector<double> allocated_pct;
  int64_t placed = 0, dropped = 0;
};

// Until |until_pct| percent of the compute of all cards have been asked for, or nothing arrives any more. |policy| is
// shown the pool every now and then, and must be new.
FillCurve RunFill(const Cluster& cluster, const Workload& workload, const Arrivals& arrivals, scheduler::Policy* policy,
                  double until_pct);

}  // namespace xpool::sim
