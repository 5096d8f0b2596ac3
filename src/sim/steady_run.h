// The steady-state experiment: pods arrive at random times and depart when they have run, so that so much of what the
// pool can carry (bounds.h) is asked for all the time; one that finds no place waits for it. What counts is how many
// have to wait, and how long. It is the whole scheduler that decides, queue and all.
#pragma once

#include <cstdint>
#include <functional>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "scheduler/policies/policy.h"
#include "sim/event_log.h"
#include "sim/openb.h"

namespace xpool::sim {

struct SteadyOptions {
  double load_pct = 90;  // of what the pool can carry of the workload, that is asked for at a time, on average
  double warm_up = 4;    // mean runtimes, that are not counted
  double counted = 10;   // and that are
  uint64_t seed = 1;
  std::function<void(const LogLine&)> log;  // of all that the scheduler is told and decides, where it is wanted
};

struct SteadyResult {
  // Pods; a gang, whose members arrive and depart together, counts as one.
  int64_t arrived = 0;       // pods, while it is counted
  int64_t blocked = 0;       // of those, the ones that were not placed at once
  int64_t never_placed = 0;  // by the end
  double mean_blocked = 0;   // pods that wait at a time, on average
  double mean_wait_s = 0;    // of all; of those never placed, until the end
  double p99_wait_s = 0;
  double used_pct = 0;  // of the cards' compute, on average over time
  // Of the pods placed with XPUs, those that use another node's, in percent; and the compute that they use, in percent
  // of all that is used.
  double remote_pods_pct = 0;
  double remote_compute_pct = 0;
};

// Pods and gangs are drawn from |workload|, all equally likely; those that do not say how long they run take an hour on
// average. |progress| is told the part that is done, now and then.
// |carried_pct|: what the pool can carry, as CarriedPct() says (bounds.h).
absl::StatusOr<SteadyResult> RunSteady(const Cluster& cluster, const Workload& workload, absl::string_view policy,
                                       double carried_pct, const SteadyOptions& options,
                                       absl::FunctionRef<void(double)> progress);

}  // namespace xpool::sim
