// Allocations of shared virtual memory, by the addresses that they cover. Not thread-safe: its owner has a lock.
#pragma once

#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <utility>

namespace xpool::wire_cl {

// An Allocation has |data|, a pointer to bytes, and |bytes|, more than 0.
template <typename Allocation>
class SvmRanges {
 public:
  using Held = std::shared_ptr<Allocation>;

  // False, and nothing is added, if it covers an address that another one covers, or wraps around.
  bool Add(Held allocation) {
    const uint64_t begin = BeginOf(*allocation);
    if (allocation->bytes == 0 || begin + allocation->bytes < begin) return false;
    const auto next = by_begin_.lower_bound(begin);
    if (next != by_begin_.end() && next->first - begin < allocation->bytes) return false;
    if (next != by_begin_.begin() && begin - std::prev(next)->first < std::prev(next)->second->bytes) return false;
    by_begin_.emplace_hint(next, begin, std::move(allocation));
    return true;
  }

  // The one that covers all of [|address|, |address| + |bytes|); nullptr if none does.
  Held Find(uint64_t address, uint64_t bytes) const {
    auto found = by_begin_.upper_bound(address);
    if (found == by_begin_.begin()) return nullptr;
    --found;
    const uint64_t offset = address - found->first, size = found->second->bytes;
    return offset < size && bytes <= size - offset ? found->second : nullptr;
  }

  // Takes out the one that begins at |address|; nullptr if none does.
  Held Take(uint64_t address) {
    const auto found = by_begin_.find(address);
    if (found == by_begin_.end()) return nullptr;
    Held taken = std::move(found->second);
    by_begin_.erase(found);
    return taken;
  }

  // Takes out all for which |predicate|(held) is true.
  template <typename Predicate>
  void TakeIf(const Predicate& predicate) {
    std::erase_if(by_begin_, [&](const auto& entry) { return predicate(entry.second); });
  }

  size_t size() const { return by_begin_.size(); }

 private:
  static uint64_t BeginOf(const Allocation& allocation) { return reinterpret_cast<uint64_t>(allocation.data); }

  std::map<uint64_t, Held> by_begin_;
};

}  // namespace xpool::wire_cl
