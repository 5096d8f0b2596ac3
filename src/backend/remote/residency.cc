#include "backend/remote/residency.h"

#include <algorithm>
#include <bit>
#include <iterator>

namespace xpool::remote {

Residency::Residency(uint64_t bytes, size_t nodes) : bytes_(bytes) {
  nodes_from_[0] = nodes == kMostNodes ? ~Nodes{0} : (Nodes{1} << nodes) - 1;
}

uint64_t Residency::EndOf(Map::const_iterator range) const {
  const auto next = std::next(range);
  return next == nodes_from_.end() ? bytes_ : next->first;
}

std::vector<Residency::Piece> Residency::Missing(size_t node, uint64_t offset, uint64_t bytes) const {
  std::vector<Piece> pieces;
  if (offset >= bytes_ || bytes == 0) return pieces;
  const uint64_t end = offset + std::min(bytes, bytes_ - offset);
  for (auto range = std::prev(nodes_from_.upper_bound(offset)); range != nodes_from_.end() && range->first < end;
       ++range) {
    if ((range->second >> node & 1) != 0) continue;
    const uint64_t from = std::max(offset, range->first), until = std::min(end, EndOf(range));
    const auto holder = static_cast<size_t>(std::countr_zero(range->second));
    if (!pieces.empty() && pieces.back().node == holder && pieces.back().offset + pieces.back().bytes == from) {
      pieces.back().bytes += until - from;
    } else {
      pieces.push_back({from, until - from, holder});
    }
  }
  return pieces;
}

// The range that begins at |offset|, which is cut there if it began before.
Residency::Map::iterator Residency::Split(uint64_t offset) {
  const auto range = std::prev(nodes_from_.upper_bound(offset));
  if (range->first == offset) return range;
  return nodes_from_.emplace_hint(std::next(range), offset, range->second);
}

template <typename Change>
void Residency::ForRange(uint64_t offset, uint64_t bytes, const Change& change) {
  if (offset >= bytes_ || bytes == 0) return;
  const uint64_t end = offset + std::min(bytes, bytes_ - offset);
  if (end < bytes_) Split(end);
  for (auto range = Split(offset); range != nodes_from_.end() && range->first < end; ++range) change(&range->second);
  Join();
}

void Residency::Join() {
  for (auto range = nodes_from_.begin(); std::next(range) != nodes_from_.end();) {
    const auto next = std::next(range);
    if (next->second == range->second) {
      nodes_from_.erase(next);
    } else {
      range = next;
    }
  }
}

void Residency::Arrived(size_t node, uint64_t offset, uint64_t bytes) {
  ForRange(offset, bytes, [node](Nodes* nodes) { *nodes |= Nodes{1} << node; });
}

void Residency::Written(size_t node, uint64_t offset, uint64_t bytes) {
  ForRange(offset, bytes, [node](Nodes* nodes) { *nodes = Nodes{1} << node; });
}

}  // namespace xpool::remote
