// How much of what a command queue has forwarded is known complete, and how long it took. Completion is learned in
// batches: a mark is a point in the queue's order of forwarding, and once a mark is known complete so is everything
// before it. Counts and estimates are running sums, so completing the same mark twice, or an older one, does nothing.
//
// BatchTracker: Forwarded() is called by whoever holds the queue's forwarding token; the rest is thread-safe.
// DurationMeter: thread-compatible; the queue guards it. Both are pure: they call nobody and read no clock.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace xpool::cl {

// A point in a queue's order of forwarding: so many commands, of so much estimated time in sum.
struct Mark {
  uint64_t commands = 0;
  int64_t estimate_ns = 0;
};

class BatchTracker {
 public:
  // One more command of about |estimate_ns| was forwarded. Returns the mark behind it.
  Mark Forwarded(int64_t estimate_ns) {
    const Mark mark{commands_.load(std::memory_order_relaxed) + 1,
                    estimate_ns_.load(std::memory_order_relaxed) + estimate_ns};
    const uint64_t version = version_.load(std::memory_order_relaxed);
    version_.store(version + 1, std::memory_order_relaxed);
    commands_.store(mark.commands, std::memory_order_release);
    estimate_ns_.store(mark.estimate_ns, std::memory_order_release);
    version_.store(version + 2, std::memory_order_release);
    return mark;
  }

  // The mark behind all that has been forwarded.
  Mark Last() const;

  // Everything up to |mark| is complete. Returns what was not known complete before.
  Mark CompleteThrough(const Mark& mark);

  bool AllComplete() const;

 private:
  // Written by the holder of the token as a sequence lock: |version_| is odd while the two sums disagree.
  std::atomic<uint64_t> version_{0};
  std::atomic<uint64_t> commands_{0};
  std::atomic<int64_t> estimate_ns_{0};
  mutable Mutex mutex_;
  Mark completed_ ABSL_GUARDED_BY(mutex_);
};

// The end of a batch: its last command, whose completion is observed.
struct BatchEnd {
  Mark previous;             // the end of the batch before
  Mark end;                  // behind the last command
  int64_t estimate_ns = 0;   // of the last command
  int64_t forwarded_ns = 0;  // when it was forwarded
  bool measured = false;     // its estimate rests on a measurement
};

// Tells the duration of a batch's last command from the times at which batches completed. Exact where the queue was
// busy throughout (the command was forwarded before the batch before had completed) or where the batch is one command;
// otherwise only an upper bound is known, which corrects an estimate that lies above it.
class DurationMeter {
 public:
  // The batch ending with |batch| completed at |completed_ns|. nullopt: nothing can be told.
  std::optional<int64_t> BatchCompleted(const BatchEnd& batch, int64_t completed_ns);

 private:
  uint64_t last_commands_ = 0;     // end of the batch that completed last
  int64_t last_completed_ns_ = 0;  // and when
};

}  // namespace xpool::cl
