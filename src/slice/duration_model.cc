#include "slice/duration_model.h"

#include <algorithm>

namespace xpool {
namespace {

constexpr uint64_t kNoKey = 0;

}  // namespace

// A writer that reuses an entry sets the key to kNoKey first and the new key last, so a reader that finds the same key
// before and after reading the duration has read that key's.
struct DurationModel::Entry {
  std::atomic<uint64_t> key{kNoKey};  // mixed
  std::atomic<int64_t> ewma_ns{0};
  mutable std::atomic<bool> used{false};  // asked for since the clock hand last passed
};

struct DurationModel::Set {
  std::array<Entry, kWays> ways;
};

DurationModel::DurationModel() : sets_(std::make_unique<Set[]>(kSets)) {}
DurationModel::~DurationModel() = default;

// The finalizer of MurmurHash3 (Appleby, public domain): callers' keys may be pointers or small numbers.
uint64_t DurationModel::Mix(uint64_t key) {
  key ^= key >> 33;
  key *= 0xff51afd7ed558ccdULL;
  key ^= key >> 33;
  key *= 0xc4ceb9fe1a85ec53ULL;
  key ^= key >> 33;
  return key == kNoKey ? 1 : key;
}

std::optional<int64_t> DurationModel::EstimateNs(uint64_t key) const {
  const uint64_t mixed = Mix(key);
  for (const Entry& entry : sets_[mixed % kSets].ways) {
    if (entry.key.load(std::memory_order_acquire) != mixed) continue;
    const int64_t ewma_ns = entry.ewma_ns.load(std::memory_order_acquire);
    if (entry.key.load(std::memory_order_relaxed) != mixed) continue;
    if (!entry.used.load(std::memory_order_relaxed)) entry.used.store(true, std::memory_order_relaxed);
    return ewma_ns;
  }
  return std::nullopt;
}

void DurationModel::Record(uint64_t key, int64_t duration_ns) {
  const int64_t measured_ns = std::clamp<int64_t>(duration_ns, 1, kMaxDurationNs);
  const uint64_t mixed = Mix(key);
  MutexLock lock(&mutex_);
  Entry& entry = ClaimLocked(sets_[mixed % kSets], mixed);
  const int64_t old_ns = entry.ewma_ns.load(std::memory_order_relaxed);
  int64_t next_ns = measured_ns;
  if (entry.key.load(std::memory_order_relaxed) == mixed)
    next_ns = old_ns + (measured_ns - old_ns) / (measured_ns / 2 > old_ns ? 2 : 4);
  entry.ewma_ns.store(std::max<int64_t>(1, next_ns), std::memory_order_release);
  entry.key.store(mixed, std::memory_order_release);
}

// The entry of |mixed|, else one that is free or was not asked for lately, emptied.
DurationModel::Entry& DurationModel::ClaimLocked(Set& set, uint64_t mixed) {
  Entry* victim = nullptr;
  for (Entry& entry : set.ways) {
    const uint64_t key = entry.key.load(std::memory_order_relaxed);
    if (key == mixed) return entry;
    if (key == kNoKey && victim == nullptr) victim = &entry;
  }
  while (victim == nullptr) {  // second chance: ends within two rounds unless readers keep marking every entry
    Entry& candidate = set.ways[hand_++ % kWays];
    if (!candidate.used.exchange(false, std::memory_order_relaxed)) victim = &candidate;
  }
  victim->key.store(kNoKey, std::memory_order_release);
  victim->used.store(false, std::memory_order_relaxed);
  return *victim;
}

}  // namespace xpool
