#include "scheduler/model/node_state.h"

#include <bit>

#include "scheduler/model/mixed.h"

namespace xpool::scheduler {
namespace {

// What each request of a demand still wants, and where it could get it.
struct Wish {
  CardSet candidates = 0;
  int left = 0;
};
using Wishes = std::array<Wish, kMostRequests>;

Wishes WishesOf(const NodeState& node, const Demand& demand) {
  Wishes wishes;
  for (size_t i = 0; i < demand.cards.size(); ++i)
    wishes[i] = {node.Candidates(demand.cards[i]), demand.cards[i].count};
  return wishes;
}

// Whether each of the first |count| can have cards of its own, by Hall's theorem: every group of them has enough
// candidates together.
bool EnoughForAll(const Wishes& wishes, size_t count) {
  for (size_t group = 1; group < size_t{1} << count; ++group) {
    int wanted = 0;
    unsigned together = 0;
    for (size_t i = 0; i < count; ++i) {
      if ((group >> i & 1) == 0) continue;
      wanted += wishes[i].left;
      together |= wishes[i].candidates;
    }
    if (std::popcount(together) < wanted) return false;
  }
  return true;
}

uint64_t HashOf(const CardState& card) {
  const uint64_t rest = uint64_t{card.idle} << 16 | uint64_t{card.model} << 8 | uint64_t{card.usable};
  return Mixed(Mixed(card.idle_bytes) ^ rest);
}

int TightestCard(const NodeState& node, CardSet candidates) {
  int best = std::countr_zero(candidates);
  for (int i = best + 1; i < static_cast<int>(node.cards().size()); ++i) {
    if ((candidates >> i & 1) != 0 && node.cards()[i].IsTighter(node.cards()[best])) best = i;
  }
  return best;
}

}  // namespace

bool NodeState::AddCard(const CardState& card) {
  if (count_ == kMostCards) return false;
  cards_[count_++] = card;
  shape_ += HashOf(card);
  return true;
}

void NodeState::SetCard(int index, const CardState& card) {
  shape_ += HashOf(card) - HashOf(cards_[index]);
  cards_[index] = card;
}

CardSet NodeState::Candidates(const CardRequest& request) const {
  unsigned set = 0;
  for (int i = 0; i < count_; ++i) set |= unsigned{cards_[i].Serves(request)} << i;
  return static_cast<CardSet>(set);
}

bool NodeState::Fits(const Demand& demand) const {
  if (cpu_milli < demand.cpu_milli || !HasMemoryFor(demand)) return false;
  if (demand.cards.empty()) return true;
  if (demand.cards.size() == 1) return std::popcount(Candidates(demand.cards[0])) >= demand.cards[0].count;
  return EnoughForAll(WishesOf(*this, demand), demand.cards.size());
}

void NodeState::Move(const Demand& demand, const Cards& cards, int sign) {
  cpu_milli -= sign * demand.cpu_milli;
  memory_bytes -= sign * static_cast<int64_t>(demand.memory_bytes);
  for (size_t i = 0; i < demand.cards.size(); ++i) {
    for (unsigned set = cards[i]; set != 0; set &= set - 1) {
      const int index = std::countr_zero(set);
      CardState card = cards_[index];
      card.idle = static_cast<uint16_t>(card.idle - sign * demand.cards[i].compute.basis_points());
      card.idle_bytes -= static_cast<uint64_t>(sign) * demand.cards[i].memory_bytes;
      SetCard(index, card);
    }
  }
}

void NodeState::Take(const Demand& demand, const Cards& cards) {
  Move(demand, cards, 1);
  kinds |= KindOf(demand);
}

void NodeState::Give(const Demand& demand, const Cards& cards) { Move(demand, cards, -1); }

int64_t NodeState::idle_milli() const {
  int64_t sum = 0;
  for (const CardState& card : cards()) sum += card.usable ? card.idle_milli() : 0;
  return sum;
}

int NodeState::whole_count() const {
  int count = 0;
  for (const CardState& card : cards()) count += card.usable && card.whole();
  return count;
}

Cards TightestCards(const NodeState& node, const Demand& demand) {
  Wishes wishes = WishesOf(node, demand);
  const size_t count = demand.cards.size();
  Cards cards{};
  for (size_t i = 0; i < count; ++i) {
    while (wishes[i].left > 0 && wishes[i].candidates != 0) {
      const unsigned card = 1u << TightestCard(node, wishes[i].candidates);
      Wishes after = wishes;
      for (Wish& wish : after) wish.candidates = static_cast<CardSet>(wish.candidates & ~card);
      --after[i].left;
      if (count == 1 || EnoughForAll(after, count)) {
        cards[i] = static_cast<CardSet>(cards[i] | card);
        wishes = after;
      } else {
        wishes[i].candidates = after[i].candidates;  // another request cannot do without it
      }
    }
  }
  return cards;
}

}  // namespace xpool::scheduler
