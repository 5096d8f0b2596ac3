// How much of a node's compute will stay idle: the node is filled with pods drawn from the mix until hardly anything
// fits any more, many times over, and what is left idle is averaged. It sees what a measure of the present state
// cannot: that CPU will run out before the cards do, or that what is left on three cards never adds up to one.
//
// The draws are fixed when it is made, so equal states have equal values, and differences between states are not lost
// in noise (common random numbers). Results are kept by state; not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "scheduler/mix.h"
#include "scheduler/node_state.h"

namespace xpool::scheduler {

struct LookaheadOptions {
  int sequences = 30;
  int arrivals = 40;  // of each
  uint64_t seed = 1;
  size_t most_kept = size_t{1} << 20;  // results; then all are forgotten
};

class Lookahead {
 public:
  explicit Lookahead(const Mix& mix, const LookaheadOptions& options = {});

  // The mean idle compute of |node| after the arrivals, in thousandths of a card. Each arrival is placed if it fits, on
  // the tightest card, else it goes away. Memory is not looked at, and of a node with several models of cards only the
  // last card's model.
  double IdleMilli(const NodeState& node);

  size_t kept() const { return kept_.size(); }

 private:
  struct Arrival {
    int64_t cpu_milli;
    int32_t compute;  // basis points of a card
    int32_t cards;
    ModelSet models;
  };
  // What of a state decides, cards sorted by what is idle.
  struct Key {
    int64_t cpu_milli;
    std::array<uint16_t, kMostCards> idle;
    uint8_t model, cards;
    friend bool operator==(const Key&, const Key&) = default;
    template <typename H>
    friend H AbslHashValue(H state, const Key& key) {
      return H::combine(std::move(state), key.cpu_milli, key.idle, key.model, key.cards);
    }
  };
  static Key KeyOf(const NodeState& node);
  static int64_t IdleAfter(Key node, std::span<const Arrival> arrivals);

  const LookaheadOptions options_;
  std::vector<Arrival> arrivals_;  // one sequence after the other
  absl::flat_hash_map<Key, double> kept_;
};

}  // namespace xpool::scheduler
