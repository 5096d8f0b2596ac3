// What a pod takes of one node: the part of a claim that filters and policies look at. A value; two pods with equal
// demands are interchangeable to them. Units: CPU in thousandths of a core, memory in bytes, cards' compute as Share.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/share.h"

namespace xpool::scheduler {

inline constexpr int kMostCards = 16;       // of one node
inline constexpr int kMostModels = 64;      // of one pool
inline constexpr size_t kMostRequests = 8;  // for cards, of one pod

// Kinds of XPUs, a bit each, as the pool has numbered them (kind_table.h).
using ModelSet = uint64_t;
inline constexpr ModelSet kAnyModel = ~ModelSet{0};

// Cards of one node that are alike to the asker.
struct CardRequest {
  uint8_t count = 0;
  Share compute;              // of each; Share::Full(): nobody else is on them
  uint64_t memory_bytes = 0;  // of each; what goes with whole cards is all of theirs
  ModelSet models = kAnyModel;
  uint8_t together = 0;  // all of a demand's with the same number are on one island; 0: anywhere

  bool whole() const { return compute == Share::Full(); }

  friend auto operator<=>(const CardRequest&, const CardRequest&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const CardRequest& request) {
    return H::combine(std::move(state), request.count, request.compute.basis_points(), request.memory_bytes,
                      request.models, request.together);
  }
};

struct Demand {
  int64_t cpu_milli = 0;
  uint64_t memory_bytes = 0;
  std::vector<CardRequest> cards;  // disjoint sets, kMostRequests at most; empty: a pod that needs none

  int card_count() const;
  int64_t compute_milli() const;  // of all its cards together, in thousandths of one
  bool shares() const { return cards.size() == 1 && cards[0].count == 1 && !cards[0].whole(); }

  friend auto operator<=>(const Demand&, const Demand&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const Demand& demand) {
    return H::combine(std::move(state), demand.cpu_milli, demand.memory_bytes, demand.cards);
  }
};

// As NodeState::kinds has it; 0 without cards.
inline uint32_t KindOf(const Demand& demand) {
  return demand.cards.empty() ? 0 : uint32_t{1} << (demand.shares() ? 0 : demand.card_count());
}

inline int Demand::card_count() const {
  int count = 0;
  for (const CardRequest& request : cards) count += request.count;
  return count;
}

inline int64_t Demand::compute_milli() const {
  int64_t sum = 0;
  for (const CardRequest& request : cards) sum += int64_t{request.count} * request.compute.basis_points() / 10;
  return sum;
}

}  // namespace xpool::scheduler
