// What it costs to take one of the last places of pods that are hard to place: those with several cards, and those that
// need certain models. As long as there are many more places for them than will be asked for, nothing; the nearer the
// two come, the closer to what such a pod brings. So big pods that come late find a place, and are not guarded against
// while there is plenty.
//
// How many will come: what is idle in the pool is expected to be asked for by pods of the mix, in their proportions,
// until compute, cores or memory of cards run out; the number of one type is then about Poisson's. Where pods come in
// the place of others that have gone, the number of a type that runs changes besides: by twice its mean, in the square,
// if runtimes are distributed exponentially (an M/M/infinity queue, after long). Not thread-safe.
#pragma once

#include <vector>

#include "scheduler/outlook/flow.h"
#include "scheduler/outlook/mix.h"
#include "scheduler/pool/node_table.h"

namespace xpool::scheduler {

struct ScarcityOptions {
  double margin = 4;      // standard deviations by which places should exceed what will come
  double notable = 0.02;  // cards: a change of costs that is worth looking at all nodes again
};

class Scarcity {
 public:
  explicit Scarcity(const Mix& mix, const ScarcityOptions& options = {});

  // Counts places, of the nodes that have changed. True when costs have changed notably; before that they stay what
  // they were. Always the same |nodes|.
  bool Observe(const NodeTable& nodes, const Flow& flow = {});

  // What the places on |node| are worth together, in cards.
  double WorthOf(const NodeState& node) const;

 private:
  struct Type {
    int64_t cpu_milli;
    CardRequest request;
    double part;         // of all pods
    double cards;        // that one brings
    double scatter = 1;  // variance of how many come, against their number: 1 as Poisson's
    double worth = 0;    // of a place
  };
  void AddTogether(const Mix& mix, ModelSet models);
  static int PlacesOn(const NodeState& node, const Type& type);
  void CountAgain(const NodeState& node, NodeIndex index);

  const ScarcityOptions options_;
  std::vector<Type> types_;
  // Compute and memory of cards, and cores.
  struct Amounts {
    int64_t milli = 0, mib = 0, cpu_milli = 0;
  };
  static Amounts IdleOn(const NodeState& node);

  double milli_per_pod_ = 0, mib_per_pod_ = 0, cpu_milli_per_pod_ = 0;  // on average, of all

  // As counted last: of each node, by type; of all together.
  uint64_t stamp_ = 0;
  std::vector<uint16_t> places_on_;
  std::vector<Amounts> idle_on_;
  std::vector<int64_t> places_;
  Amounts idle_;
};

}  // namespace xpool::scheduler
