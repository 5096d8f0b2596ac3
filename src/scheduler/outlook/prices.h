// What a card and a core of each group of nodes are worth, given what the mix will ask for: so that pods which could go
// anywhere leave alone what others cannot do without. The mix is spread over the groups as evenly as their capacities
// allow (the assignment with the most entropy, i.e. a transport problem with entropic regularisation: Cuturi, "Sinkhorn
// Distances", NIPS 2013), and the prices are the dual variables of the capacities. Immutable once made; thread-safe.
#pragma once

#include <vector>

#include "scheduler/outlook/mix.h"
#include "scheduler/outlook/pool_groups.h"

namespace xpool::scheduler {

struct PriceOptions {
  double fill = 1.0;         // of the pool's compute, that the mix is scaled to
  double temperature = 0.1;  // cards: how unwilling the assignment is to be uneven
  int rounds = 2000;
  double step = 0.05;
};

class Prices {
 public:
  Prices(const Mix& mix, const std::vector<NodeGroup>& groups, const PriceOptions& options = {});

  // Of a card and of a core on nodes of |group|, in cards; at least 0, which is that of groups that came later.
  double card(uint16_t group) const { return group < cards_.size() ? cards_[group] : 0; }
  double core(uint16_t group) const { return group < cores_.size() ? cores_[group] : 0; }

 private:
  std::vector<double> cards_, cores_;
};

}  // namespace xpool::scheduler
