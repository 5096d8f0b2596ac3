// What is left on one node: the value that filters and policies compute with. Small, copied freely: a policy looks at
// the node as it is and as it would be. Pure, no allocation.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "scheduler/model/demand.h"

namespace xpool::scheduler {

using CardSet = uint16_t;  // a bit a card of the node
static_assert(sizeof(CardSet) * 8 >= kMostCards);

// The numbers of |cards|.
std::vector<uint8_t> NumbersOf(CardSet cards);

struct CardState {
  uint64_t idle_bytes = 0;
  uint16_t idle = 10'000;  // compute, in basis points as Share has them
  uint8_t model = 0;       // its bit in a ModelSet
  uint8_t island = 0;      // cards with the same number are closely connected
  bool usable = true;      // healthy, and not withdrawn

  bool whole() const { return idle == 10'000; }
  int idle_milli() const { return idle / 10; }
  bool IsOneOf(ModelSet models) const { return (models >> model & 1) != 0; }
  // Whether less is left on it: of compute, or, where that is equal, of memory.
  bool IsTighter(const CardState& than) const {
    return idle != than.idle ? idle < than.idle : idle_bytes < than.idle_bytes;
  }
  // Whether it could be one of |request|'s, and whether it could if nobody else computed on it.
  bool Serves(const CardRequest& request) const {
    return idle >= request.compute.basis_points() && CouldServe(request);
  }
  bool CouldServe(const CardRequest& request) const {
    return usable && idle_bytes >= request.memory_bytes && IsOneOf(request.models);
  }

  friend bool operator==(const CardState&, const CardState&) = default;
};

// The cards of each request of a demand, in its order; none of those that it does not have.
using Cards = std::array<CardSet, kMostRequests>;

class NodeState {
 public:
  int64_t cpu_milli = 0;  // may be negative, as compute and memory of a card may not: a node may shrink under its pods
  int64_t memory_bytes = 0;
  uint32_t kinds = 0;  // of the pods with cards on it: bit 0, they share a card; bit n, they have n whole ones
  uint16_t group = 0;  // of its pool's (pool_groups.h)

  std::span<const CardState> cards() const { return {cards_.data(), count_}; }
  // False when the node has kMostCards.
  bool AddCard(const CardState& card);
  void SetCard(int index, const CardState& card);

  // A hash of its cards, whatever their order: nodes with equal shapes have equal cards, but for one chance in 2^64.
  uint64_t shape() const { return shape_; }

  bool HasMemoryFor(const Demand& demand) const {
    return memory_bytes >= 0 && static_cast<uint64_t>(memory_bytes) >= demand.memory_bytes;
  }
  // Whether |demand| can be placed here.
  bool Fits(const Demand& demand) const;
  // The cards that could serve one of |request|.
  CardSet Candidates(const CardRequest& request) const;

  // REQUIRES: it was found to fit with these cards / is on them.
  void Take(const Demand& demand, const Cards& cards);
  void Give(const Demand& demand, const Cards& cards);

  int64_t idle_milli() const;  // compute, of all usable cards
  int whole_count() const;     // cards that nobody uses

 private:
  // Takes |sign| times what is asked for.
  void Move(const Demand& demand, const Cards& cards, int sign);

  std::array<CardState, kMostCards> cards_{};
  uint8_t count_ = 0;
  uint64_t shape_ = 0;
};

// Each request on the cards that have the least compute left (then the least memory, then the lowest number), as far as
// that leaves enough for the other requests. REQUIRES: |demand| fits.
Cards TightestCards(const NodeState& node, const Demand& demand);

}  // namespace xpool::scheduler
