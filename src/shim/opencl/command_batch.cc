#include "shim/opencl/command_batch.h"

#include <algorithm>

namespace xpool::cl {

Mark BatchTracker::Last() const {
  while (true) {
    const uint64_t before = version_.load(std::memory_order_acquire);
    const Mark mark{commands_.load(std::memory_order_acquire), estimate_ns_.load(std::memory_order_acquire)};
    if (before % 2 == 0 && version_.load(std::memory_order_relaxed) == before) return mark;
  }
}

Mark BatchTracker::CompleteThrough(const Mark& mark) {
  MutexLock lock(&mutex_);
  if (mark.commands <= completed_.commands) return {};
  const Mark news{mark.commands - completed_.commands, mark.estimate_ns - completed_.estimate_ns};
  completed_ = mark;
  return news;
}

bool BatchTracker::AllComplete() const {
  const Mark last = Last();
  MutexLock lock(&mutex_);
  return last.commands <= completed_.commands;
}

std::optional<int64_t> DurationMeter::BatchCompleted(const BatchEnd& batch, int64_t completed_ns) {
  if (batch.end.commands <= last_commands_) return std::nullopt;  // out of order: a later batch has covered it
  const bool contiguous = batch.previous.commands == last_commands_;
  const int64_t previous_ns = last_completed_ns_;
  last_commands_ = batch.end.commands;
  last_completed_ns_ = completed_ns;

  const uint64_t commands = batch.end.commands - batch.previous.commands;
  const int64_t since_forwarded = std::max<int64_t>(completed_ns - batch.forwarded_ns, 1);
  const bool was_busy = contiguous && previous_ns > 0 && batch.forwarded_ns <= previous_ns;
  if (commands == 1) {
    if (was_busy) return std::max<int64_t>(completed_ns - previous_ns, 1);
    return contiguous ? std::optional(since_forwarded) : std::nullopt;
  }
  const int64_t batch_estimate = batch.end.estimate_ns - batch.previous.estimate_ns;
  if (!was_busy || batch_estimate <= 0) {
    if (batch.measured && batch.estimate_ns <= since_forwarded) return std::nullopt;
    return since_forwarded;
  }
  const int64_t batch_ns = std::max<int64_t>(completed_ns - previous_ns, 1);
  if (!batch.measured) return std::max<int64_t>(batch_ns - (batch_estimate - batch.estimate_ns), 1);
  const double scale = static_cast<double>(batch_ns) / static_cast<double>(batch_estimate);
  return std::max<int64_t>(static_cast<int64_t>(static_cast<double>(batch.estimate_ns) * scale), 1);
}

}  // namespace xpool::cl
