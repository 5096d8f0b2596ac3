// Where pods of one demand could go: a policy's opinion of every node, kept from one decision to the next and brought
// up to date by looking at the nodes that changed. So a decision costs what has happened since the last one for the
// same demand, and one look at every block of nodes. Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "scheduler/node_table.h"
#include "scheduler/policy.h"

namespace xpool::scheduler {

struct Choice {
  NodeIndex node = 0;
  int64_t score = 0;
  Cards cards;
};

class Candidates {
 public:
  // |policy| must outlive it.
  Candidates(const Policy* policy, Demand demand) : policy_(policy), demand_(std::move(demand)) {}

  const Demand& demand() const { return demand_; }

  // The node with the highest score, the first of several; nothing when none has room. Always the same |nodes|.
  std::optional<Choice> Best(const NodeTable& nodes);

 private:
  bool IsBetter(NodeIndex node, NodeIndex than) const;
  void Refresh(const NodeTable& nodes, size_t block);

  const Policy* const policy_;
  const Demand demand_;
  uint64_t epoch_ = 0;                           // of the policy when it was asked last
  uint64_t stamp_ = 0;                           // of the nodes then
  std::vector<std::optional<Option>> opinions_;  // by node; nothing where there is no room
  std::vector<NodeIndex> best_;                  // by block; kNone
};

}  // namespace xpool::scheduler
