#include "scheduler/model/node_state.h"

#include <algorithm>
#include <bit>
#include <optional>

#include "scheduler/model/mixed.h"

namespace xpool::scheduler {
namespace {

// What each request of a demand still wants, and where it could get it.
struct Wish {
  CardSet candidates = 0;
  int left = 0;
};
struct Wishes {
  std::array<Wish, kMostRequests> of;
  size_t count = 0;
};

Wishes WishesOf(const NodeState& node, const Demand& demand) {
  Wishes wishes;
  for (const CardRequest& request : demand.cards) wishes.of[wishes.count++] = {node.Candidates(request), request.count};
  return wishes;
}

// Whether each can have cards of its own, by Hall's theorem: every group of them has enough candidates together.
bool EnoughForAll(const Wishes& wishes) {
  for (size_t group = 1; group < size_t{1} << wishes.count; ++group) {
    int wanted = 0;
    unsigned together = 0;
    for (size_t i = 0; i < wishes.count; ++i) {
      if ((group >> i & 1) == 0) continue;
      wanted += wishes.of[i].left;
      together |= wishes.of[i].candidates;
    }
    if (std::popcount(together) < wanted) return false;
  }
  return true;
}

bool WantsIslands(const Demand& demand) {
  return std::any_of(demand.cards.begin(), demand.cards.end(),
                     [](const CardRequest& request) { return request.together != 0; });
}

// Those of the requests from |request| on that must be together stay on one island each: the first way that is enough
// for all, the islands with the fewest candidates before others. Nothing when there is none.
std::optional<Wishes> OnIslands(const NodeState& node, const Demand& demand, const Wishes& wishes, size_t request) {
  while (request < wishes.count && demand.cards[request].together == 0) ++request;
  if (request == wishes.count) return EnoughForAll(wishes) ? std::optional(wishes) : std::nullopt;
  const uint8_t together = demand.cards[request].together;
  const bool is_chosen = std::any_of(demand.cards.begin(), demand.cards.begin() + static_cast<std::ptrdiff_t>(request),
                                     [&](const CardRequest& earlier) { return earlier.together == together; });
  if (is_chosen) return OnIslands(node, demand, wishes, request + 1);
  struct Island {
    uint8_t number;
    unsigned cards;
  };
  std::array<Island, kMostCards> islands{};
  size_t count = 0;
  for (size_t card = 0; card < node.cards().size(); ++card) {
    const uint8_t number = node.cards()[card].island;
    const auto end = islands.begin() + count;
    const auto found = std::find_if(islands.begin(), end, [&](const Island& of) { return of.number == number; });
    if (found == end) islands[count++].number = number;
    found->cards |= 1u << card;
  }
  std::stable_sort(islands.begin(), islands.begin() + count, [&](const Island& one, const Island& other) {
    const CardSet candidates = wishes.of[request].candidates;
    return std::popcount(one.cards & candidates) < std::popcount(other.cards & candidates);
  });
  for (size_t i = 0; i < count; ++i) {
    Wishes there = wishes;
    for (size_t other = request; other < wishes.count; ++other) {
      if (demand.cards[other].together == together)
        there.of[other].candidates &= static_cast<CardSet>(islands[i].cards);
    }
    if (auto found = OnIslands(node, demand, there, request + 1); found.has_value()) return found;
  }
  return std::nullopt;
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

std::vector<uint8_t> NumbersOf(CardSet cards) {
  std::vector<uint8_t> numbers;
  for (unsigned set = cards; set != 0; set &= set - 1) numbers.push_back(static_cast<uint8_t>(std::countr_zero(set)));
  return numbers;
}

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
  if (WantsIslands(demand)) return OnIslands(*this, demand, WishesOf(*this, demand), 0).has_value();
  if (demand.cards.size() == 1) return std::popcount(Candidates(demand.cards[0])) >= demand.cards[0].count;
  return EnoughForAll(WishesOf(*this, demand));
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
  if (WantsIslands(demand)) wishes = OnIslands(node, demand, wishes, 0).value_or(wishes);
  Cards cards{};
  for (size_t i = 0; i < wishes.count; ++i) {
    Wish& wish = wishes.of[i];
    while (wish.left > 0 && wish.candidates != 0) {
      const unsigned card = 1u << TightestCard(node, wish.candidates);
      Wishes after = wishes;
      for (Wish& of : after.of) of.candidates = static_cast<CardSet>(of.candidates & ~card);
      --after.of[i].left;
      if (wishes.count == 1 || EnoughForAll(after)) {
        cards[i] = static_cast<CardSet>(cards[i] | card);
        wishes = after;
      } else {
        wish.candidates = after.of[i].candidates;  // another request cannot do without it
      }
    }
  }
  return cards;
}

}  // namespace xpool::scheduler
