// What no placement can do better than, by linear programs that forget about nodes: each kind of pods is spread over
// the groups of alike nodes in any parts, as far as their cards, cores and memories reach all together, and whatever is
// asked for later is known before. Shares count at least as much as they take up of cards when those are filled in the
// best of patterns (scheduler/outlook/card_patterns.h), so that 60 % and 60 % are not one card and a fifth.
#pragma once

#include "absl/status/statusor.h"
#include "sim/openb.h"

namespace xpool::sim {

struct Bounds {
  double idle_pct = 0;  // of the cards' compute, at least, whoever is refused
  // The same if every kind of pods is refused in the same part: what a scheduler leaves that has no favourites.
  double proportional_idle_pct = 0;
};

// When |asked_pct| percent of all cards' compute are asked for, in the workload's proportions.
absl::StatusOr<Bounds> BoundsOf(const Cluster& cluster, const Workload& workload, double asked_pct);

// How much of the cards' compute can be in use at a time, in percent, if the workload is served in its proportions.
absl::StatusOr<double> CarriedPct(const Cluster& cluster, const Workload& workload);

}  // namespace xpool::sim
