// How much of a node's compute will stay idle: the node is filled with pods drawn from the mix until hardly anything
// fits any more, many times over, and what is left idle is averaged. It sees what a measure of the present state
// cannot: that CPU will run out before the cards do, or that what is left on three cards never adds up to one.
//
// The draws are fixed when it is made, so equal states have equal values, and differences between states are not lost
// in noise (common random numbers). Immutable once made; thread-safe. Microseconds a call: keep what it says.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "scheduler/model/node_state.h"
#include "scheduler/outlook/mix.h"

namespace xpool::scheduler {

inline constexpr int kMostArrivals = 64;

struct LookaheadOptions {
  int sequences = 60;  // a third of them where memory of cards matters, or cards differ
  int arrivals = 40;   // of each; kMostArrivals at most
  uint64_t seed = 1;
};

class Lookahead {
 public:
  explicit Lookahead(const Mix& mix, const LookaheadOptions& options = {});

  // Means over the sequences.
  struct Idle {
    double cards = 0;  // compute
    double cores = 0;
    double card_gib = 0;  // memory of cards
  };
  // What of |node| is idle after the arrivals. Each arrival is placed if it fits, on the tightest card, else it goes
  // away. The node's memory is not looked at; of pods with several requests, the first.
  Idle Of(const NodeState& node) const;

 private:
  struct Type {
    int64_t cpu_milli;
    CardRequest request;  // count 0: it needs no card
  };
  class AlikeCards;
  class AnyCards;

  template <typename Filling>
  Idle MeanOver(const Filling& now, int sequences) const;

  int sequences_;
  bool memory_matters_;  // of cards, to any
  // Less than any type asks for of a card.
  CardRequest least_{.count = 1, .compute = Share::Full(), .memory_bytes = UINT64_MAX};
  std::vector<Type> types_;
  std::vector<uint16_t> arrivals_;   // their types, kMostArrivals a sequence
  std::vector<uint64_t> positions_;  // of each type in each sequence, a bit an arrival
};

}  // namespace xpool::scheduler
