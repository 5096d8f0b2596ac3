// What has been worked out about states of nodes, by a hash of them: a set-associative cache of a fixed size, that
// forgets what has not been asked for longest. Nothing but time is lost by forgetting. Not thread-safe.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace xpool::scheduler {

template <typename Value>
class StateCache {
 public:
  static constexpr size_t kWays = 4;

  // |entries|: a power of two, kWays at least.
  explicit StateCache(size_t entries = size_t{1} << 19) : sets_(entries / kWays) {}

  // The value kept for |key|, well mixed bits; a new one, and |is_new|, when there was none. Good until the next call.
  Value& At(uint64_t key, bool* is_new) {
    Set& set = sets_[key & (sets_.size() - 1)];
    ++clock_;
    Entry* oldest = &set[0];
    for (Entry& entry : set) {
      if (entry.key == key && entry.used != 0) {
        entry.used = clock_;
        *is_new = false;
        return entry.value;
      }
      if (entry.used < oldest->used) oldest = &entry;
    }
    *oldest = {key, clock_, Value{}};
    *is_new = true;
    return oldest->value;
  }

 private:
  struct Entry {
    uint64_t key = 0;
    uint64_t used = 0;  // when last; 0: never
    Value value{};
  };
  using Set = std::array<Entry, kWays>;

  std::vector<Set> sets_;
  uint64_t clock_ = 0;
};

}  // namespace xpool::scheduler
