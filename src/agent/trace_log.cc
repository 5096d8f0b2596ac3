#include "agent/trace_log.h"

#include <algorithm>

namespace xpool::agent {

const char* LeaseChangeName(LeaseChange change) {
  constexpr const char* kNames[] = {"want", "grant", "idle", "busy", "revoke", "take", "return", "died"};
  return kNames[static_cast<size_t>(change)];
}

void TraceLog::Add(const LeaseRecord& record) {
  MutexLock lock(&mutex_);
  ring_[next_++ % kCapacity] = record;
}

uint64_t TraceLog::position() const {
  MutexLock lock(&mutex_);
  return next_;
}

std::vector<LeaseRecord> TraceLog::ReadFrom(uint64_t& position) const {
  constexpr uint64_t kMost = 2048;  // at a time, so that the writer waits for microseconds only
  MutexLock lock(&mutex_);
  uint64_t from = std::min(position, next_);
  if (next_ - from > kCapacity) from = next_ - kCapacity;
  const uint64_t to = std::min(next_, from + kMost);
  std::vector<LeaseRecord> records;
  records.reserve(to - from);
  for (uint64_t i = from; i < to; ++i) records.push_back(ring_[i % kCapacity]);
  position = to;
  return records;
}

}  // namespace xpool::agent
