// What a policy thinks of each node as such, kept until the node changes, or the policy what it thinks. Not
// thread-safe.
#pragma once

#include <vector>

#include "scheduler/policies/policy.h"
#include "scheduler/pool/node_table.h"

namespace xpool::scheduler {

class NodeValues {
 public:
  // |policy| must outlive it.
  explicit NodeValues(const Policy* policy) : policy_(policy) {}

  // Always the same |nodes|.
  double Of(const NodeTable& nodes, NodeIndex node) {
    if (kept_.size() < nodes.size()) kept_.resize(nodes.size());
    Kept& kept = kept_[node];
    if (kept.stamp != nodes.stamp(node) || kept.epoch != policy_->epoch())
      kept = {nodes.stamp(node), policy_->epoch(), policy_->Value(nodes[node])};
    return kept.value;
  }

 private:
  struct Kept {
    uint64_t stamp = 0;
    uint32_t epoch = 0;
    double value = 0;
  };
  const Policy* const policy_;
  std::vector<Kept> kept_;
};

}  // namespace xpool::scheduler
