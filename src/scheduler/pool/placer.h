// Finds the node and the cards for a pod, by a policy, and says why. Keeps what it knows of the kinds of pods that it
// has met lately. Not thread-safe.
#pragma once

#include <memory>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "scheduler/pool/candidates.h"

namespace xpool::scheduler {

struct Choice {
  NodeIndex node = 0;
  Cards cards;
  int32_t score = 0;
  std::optional<Ranked> runner_up;
};

class Placer {
 public:
  // |policy| must outlive it. |most_kinds|: of pods, that are remembered at a time.
  explicit Placer(const Policy* policy, size_t most_kinds = 1024)
      : policy_(policy), most_kinds_(most_kinds), values_(policy) {}

  // The best of the nodes that have room and that |accepts|; nothing when there is none. Always the same |nodes|.
  std::optional<Choice> Place(const NodeTable& nodes, const Demand& demand, absl::FunctionRef<bool(NodeIndex)> accepts);
  std::optional<Choice> Place(const NodeTable& nodes, const Demand& demand);

  size_t kinds() const { return kinds_.size(); }

 private:
  struct Kind {
    std::unique_ptr<Candidates> candidates;
    uint64_t used = 0;  // when last, in calls
  };
  Candidates& KindOf(const Demand& demand);
  void ForgetHalf();

  const Policy* const policy_;
  const size_t most_kinds_;
  NodeValues values_;
  absl::flat_hash_map<Demand, Kind> kinds_;  // by demand without memory
  uint64_t calls_ = 0;
};

}  // namespace xpool::scheduler
