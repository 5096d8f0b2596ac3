#include "scheduler/queue/queue_order.h"

namespace xpool::scheduler {

size_t PriorityOrder::Next(std::span<const QueueHead> heads, int64_t /*now_ns*/) const {
  size_t next = 0;
  for (size_t i = 1; i < heads.size(); ++i) {
    const bool is_before = heads[i].priority != heads[next].priority ? heads[i].priority > heads[next].priority
                                                                     : heads[i].sequence < heads[next].sequence;
    if (is_before) next = i;
  }
  return next;
}

}  // namespace xpool::scheduler
