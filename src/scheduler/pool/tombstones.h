// What is gone, and the version at which it went, so that late news of it is not taken for something new. Remembers so
// many; the oldest are forgotten first. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "absl/container/flat_hash_map.h"

namespace xpool::scheduler {

class Tombstones {
 public:
  explicit Tombstones(size_t most = size_t{1} << 16) : most_(most) {}

  void Add(const std::string& name, uint64_t version) {
    uint64_t& known = versions_[name];
    known = std::max(known, version);
    order_.push_back({name, known});
    while (order_.size() > most_) {
      // It may have come again, and gone again, since.
      const auto found = versions_.find(order_.front().name);
      if (found != versions_.end() && found->second == order_.front().version) versions_.erase(found);
      order_.pop_front();
    }
  }

  // Whether news of |version| are older than its end.
  bool IsOld(const std::string& name, uint64_t version) const {
    const auto found = versions_.find(name);
    return found != versions_.end() && version <= found->second;
  }

 private:
  struct Stone {
    std::string name;
    uint64_t version;
  };
  const size_t most_;
  std::deque<Stone> order_;
  absl::flat_hash_map<std::string, uint64_t> versions_;
};

}  // namespace xpool::scheduler
