// What has been worked out about states of nodes, by a hash of them: a set-associative cache of a fixed size, as
// processors have them, in which a set is a line of theirs. Nothing but time is lost when something is forgotten. Not
// thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace xpool::scheduler {

template <typename Value>
class StateCache {
 public:
  // |entries|: a power of two, kWays at least.
  explicit StateCache(size_t entries = size_t{1} << 19) : sets_(entries / kWays) {}

  // The value kept for |key|, well mixed bits; a new one, and |is_new|, when there was none. Good until the next call.
  Value& At(uint64_t key, bool* is_new) {
    Set& set = sets_[key & (sets_.size() - 1)];
    key |= kInUse;
    for (Entry& entry : set.entries) {
      if (entry.key != key) continue;
      *is_new = false;
      return entry.value;
    }
    Entry& oldest = set.entries[next_++ % kWays];  // or any other, over all sets
    oldest = {key, Value{}};
    *is_new = true;
    return oldest.value;
  }

 private:
  static constexpr size_t kWays = 4;
  static constexpr uint64_t kInUse = uint64_t{1} << 63;

  struct Entry {
    uint64_t key = 0;
    Value value{};
  };
  static_assert(sizeof(Entry) == 16);
  struct alignas(64) Set {
    std::array<Entry, kWays> entries;
  };

  std::vector<Set> sets_;
  size_t next_ = 0;
};

}  // namespace xpool::scheduler
