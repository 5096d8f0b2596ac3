// How long commands take: an EWMA of measured durations per key (a kernel and its size bucket, a kind of transfer; the
// caller hashes what it likes into 64 bits). The shim asks before every launch and records when a batch has completed.
//
// Thread-safe. Reads are lock-free (a hash, at most kWays comparisons); Record() takes a mutex. Memory is fixed: a
// set-associative table of kCapacity keys in which a key not asked for lately makes room for a new one. A forgotten key
// is unknown again, nothing worse.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace xpool {

class DurationModel {
 public:
  static constexpr size_t kWays = 4;
  static constexpr size_t kSets = 512;
  static constexpr size_t kCapacity = kWays * kSets;
  static constexpr int64_t kMaxDurationNs = int64_t{3'600'000'000'000};  // what is longer counts as an hour

  DurationModel();
  ~DurationModel();

  // The smoothed duration of |key|, at least 1; nullopt when it was never measured or has been forgotten.
  std::optional<int64_t> EstimateNs(uint64_t key) const;
  bool Known(uint64_t key) const { return EstimateNs(key).has_value(); }

  // One command of |key| took |duration_ns|. The first measurement is taken as it is, later ones count a quarter; a
  // jump past twice the estimate counts half, because underestimating is what makes others wait.
  void Record(uint64_t key, int64_t duration_ns);

 private:
  struct Entry;
  struct Set;

  static uint64_t Mix(uint64_t key);
  Entry& ClaimLocked(Set& set, uint64_t mixed) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::unique_ptr<Set[]> sets_;
  Mutex mutex_;  // serialises writers
  uint32_t hand_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace xpool
