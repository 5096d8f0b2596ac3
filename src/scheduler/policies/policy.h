// How good a placement is: policies as pure functions of a node before and after it. Which nodes are possible, and what
// was looked at before, is not their business (pool/). One that is not told of the pool (Observe()) is immutable, if it
// does not say otherwise. Not thread-safe: some keep what they have worked out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "scheduler/model/node_state.h"
#include "scheduler/outlook/flow.h"
#include "scheduler/outlook/mix.h"
#include "scheduler/outlook/pool_groups.h"
#include "scheduler/pool/node_table.h"

namespace xpool::scheduler {

// A part of what a policy thinks of a placement, for people to read.
struct ScorePart {
  const char* name;
  double value;  // the policy's unit
};

class Policy {
 public:
  virtual ~Policy() = default;

  // What a policy thinks of a node as such; it is asked once for all ways to place something there.
  virtual double Value(const NodeState& /*node*/) const { return 0; }

  // What it thinks of placing |demand| on |before|, of which Value() said |value|, so that it becomes |after|. The
  // highest score wins; equal ones are ties, which go to the first set of cards and the node of the lowest rank.
  virtual int32_t Score(const Demand& demand, const NodeState& before, double value, const NodeState& after) const = 0;

  // The same in cards' worth, the less the better, so that placements on different nodes can be added up; nothing when
  // a policy cannot tell.
  virtual std::optional<double> Cost(const Demand& /*demand*/, const NodeState& /*before*/,
                                     const NodeState& /*after*/) const {
    return std::nullopt;
  }

  // What a score is made of, where there are parts.
  virtual std::vector<ScorePart> Explain(const Demand& /*demand*/, const NodeState& /*before*/,
                                         const NodeState& /*after*/) const {
    return {};
  }

  // Whether a pod that shares a card gets the one with the best score, or the tightest of all.
  virtual bool scores_cards() const { return false; }

  // Whether nodes should be spared for pods that wait (plans/sparing.h).
  virtual bool spares_nodes() const { return false; }

  // Looks at the pool as it has become, and at how it is used; to be called every so often. What was said before holds
  // as long as epoch() is the same.
  virtual void Observe(const NodeTable& /*nodes*/, const Flow& /*flow*/) {}
  virtual uint32_t epoch() const { return 0; }
};

// What a policy may know beforehand.
struct Outlook {
  Mix mix;                        // the workload so far
  std::vector<NodeGroup> groups;  // the pool
};

// |spec|: NAME[:OPTION=VALUE]...
//   "bestfit", "packing", "clustering", "dotprod", "fgd": those of the FGD paper's comparison, exactly as published.
//   "random", "spread": nodes in no order; the emptiest first.
//   "xpool": ours, with options for its weights (policies/xpool.h).
// INVALID_ARGUMENT names what there is.
absl::StatusOr<std::unique_ptr<Policy>> MakePolicy(absl::string_view spec, const Outlook& outlook);

// The names of all policies, in alphabetical order, with commas.
std::string PolicyNames();

// The best way to place a demand on one node.
struct Option {
  int32_t score = 0;
  Cards cards;
};
std::optional<Option> BestOption(const Policy& policy, const Demand& demand, const NodeState& node);
// The same, of a node of which Value() said |value|.
std::optional<Option> BestOption(const Policy& policy, const Demand& demand, const NodeState& node, double value);

}  // namespace xpool::scheduler
