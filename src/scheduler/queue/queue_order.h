// Whose turn it is: queues have an order of their own, a quota and a weight, and a rule says which goes next. The rule
// here is strict priority, then first come, first served; others (fair shares) take its place. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace xpool::scheduler {

struct QueueSpec {
  std::string name;
  double weight = 1;                 // against other queues, for rules that look at it
  int64_t quota_compute_milli = -1;  // of XPUs, in thousandths of a card, held by its pods at once; -1: no limit
};

// A queue with something in it that could be placed now.
struct QueueHead {
  const QueueSpec* queue;
  int64_t used_compute_milli;  // by its pods that are placed
  int32_t priority;            // of the first in it
  uint64_t sequence;           // of its arrival; lower came before
  int64_t since_ns;            // when it came
};

class QueueOrder {
 public:
  virtual ~QueueOrder() = default;
  // The place in |heads| of the one that goes next. REQUIRES: there is one. Called for every decision.
  virtual size_t Next(std::span<const QueueHead> heads, int64_t now_ns) const = 0;
};

class PriorityOrder final : public QueueOrder {
 public:
  size_t Next(std::span<const QueueHead> heads, int64_t now_ns) const override;
};

}  // namespace xpool::scheduler
