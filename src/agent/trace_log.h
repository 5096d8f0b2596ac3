// The recent lease changes of one XPU, always on: a ring of fixed size that its broker writes and `xpool trace` reads.
// Thread-safe; Add() is a few nanoseconds under an uncontended lock and allocates nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace xpool::agent {

enum class LeaseChange : uint8_t { kWant, kGrant, kIdle, kBusy, kRevoke, kTake, kReturn, kDied };

const char* LeaseChangeName(LeaseChange change);

struct LeaseRecord {
  int64_t at_ns = 0;
  int64_t until_ns = 0;  // of a grant
  uint64_t slice = 0;
  LeaseChange what{};
};

class TraceLog {
 public:
  static constexpr uint64_t kCapacity = 16'384;

  TraceLog() : ring_(kCapacity) {}

  void Add(const LeaseRecord& record);

  // Where the next record will go; the position to start a recording from.
  uint64_t position() const;

  // Records from |position| on, which is moved past them; what was overwritten meanwhile is skipped.
  std::vector<LeaseRecord> ReadFrom(uint64_t& position) const;

 private:
  mutable Mutex mutex_;
  std::vector<LeaseRecord> ring_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace xpool::agent
