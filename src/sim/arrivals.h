// Orders of arrival for workloads that bring none.
#pragma once

#include <cstdint>

#include "sim/openb.h"

namespace xpool::sim {

// All pods in a random order, then more of them, each as likely as any other, until |until_pct| percent of the compute
// of all cards has been asked for; and random ranks of nodes. Nothing when no pod needs a card. The same |seed|, the
// same arrivals.
Arrivals DrawArrivals(const Cluster& cluster, const Workload& workload, int64_t seed, double until_pct);

}  // namespace xpool::sim
