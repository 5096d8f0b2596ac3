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

struct LookaheadOptions {
  int sequences = 30;
  int arrivals = 40;  // of each
  uint64_t seed = 1;
};

class Lookahead {
 public:
  explicit Lookahead(const Mix& mix, const LookaheadOptions& options = {});

  // The mean idle compute of |node| after the arrivals, in thousandths of a card. Each arrival is placed if it fits, on
  // the tightest card, else it goes away. The node's memory is not looked at; of pods with several requests, the first.
  double IdleMilli(const NodeState& node) const;

 private:
  struct Arrival {
    int64_t cpu_milli;
    CardRequest request;  // count 0: it needs no card
  };
  class Filling;

  int sequences_;
  bool memory_matters_ = false;    // to any arrival, that of cards
  std::vector<Arrival> arrivals_;  // one sequence after the other
};

}  // namespace xpool::scheduler
