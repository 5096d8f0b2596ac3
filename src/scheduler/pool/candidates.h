// Where pods of one kind could go: a policy's score of every node, kept from one decision to the next and brought up to
// date by looking at the nodes that changed. So a decision costs what has happened since the last one for the same
// kind, and one look at every block of nodes. Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "scheduler/policies/policy.h"
#include "scheduler/pool/node_table.h"
#include "scheduler/pool/node_values.h"

namespace xpool::scheduler {

struct Ranked {
  NodeIndex node = 0;
  int32_t score = 0;

  friend bool operator==(const Ranked&, const Ranked&) = default;
};

// The best node, and the one that would have been next.
struct Ranking {
  std::optional<Ranked> best, runner_up;
};

class Candidates {
 public:
  // |policy| and |values|, which is of the same policy, must outlive it. What |demand| wants of a node's memory is not
  // looked at: pods that differ in it are of one kind.
  Candidates(const Policy* policy, NodeValues* values, Demand demand);

  // Of the nodes that have room and that |accepts|: those with the highest scores, the first of equals. Always the same
  // |nodes|.
  Ranking Best(const NodeTable& nodes, absl::FunctionRef<bool(NodeIndex)> accepts);

 private:
  void Refresh(const NodeTable& nodes);
  Ranking BestOfAll(absl::FunctionRef<bool(NodeIndex)> accepts) const;
  Ranked BestIn(const NodeTable& nodes, size_t block, const Ranked& after) const;

  const Policy* const policy_;
  NodeValues* const values_;
  const Demand demand_;
  uint32_t epoch_ = 0;           // of the policy when it was asked last
  uint64_t stamp_ = 0;           // of the nodes then
  std::vector<int32_t> scores_;  // by node; kNoRoom
  std::vector<Ranked> best_;     // by block
  std::vector<Ranked> left_;     // by block: the best that has not been looked at; kept for its memory alone
};

}  // namespace xpool::scheduler
