#include "scheduler/outlook/lookahead.h"

#include <algorithm>
#include <array>
#include <random>

namespace xpool::scheduler {
namespace {

constexpr int kWhole = 10'000;

}  // namespace

Lookahead::Lookahead(const Mix& mix, const LookaheadOptions& options) : sequences_(options.sequences) {
  std::vector<double> weights;
  for (const PodType& type : mix.types) weights.push_back(static_cast<double>(type.count));
  std::mt19937_64 random(options.seed);
  std::discrete_distribution<size_t> draw(weights.begin(), weights.end());
  for (int i = 0; i < options.sequences * options.arrivals && !weights.empty(); ++i) {
    const Demand& pod = mix.types[draw(random)].demand;
    arrivals_.push_back({pod.cpu_milli, pod.cards.empty() ? CardRequest{} : pod.cards[0]});
    memory_matters_ = memory_matters_ || arrivals_.back().request.memory_bytes > 0;
  }
}

// A node that is being filled: its usable cards by what is idle on them, the tightest first.
class Lookahead::Filling {
 public:
  explicit Filling(const NodeState& node) : cpu_milli_(node.cpu_milli) {
    for (const CardState& card : node.cards()) {
      if (card.usable) cards_[end_++] = {card.idle, card.model, card.idle_bytes};
    }
    std::sort(cards_.begin(), cards_.begin() + end_, [](const Card& one, const Card& other) {
      return one.idle != other.idle ? one.idle < other.idle : one.idle_bytes < other.idle_bytes;
    });
    uniform_ = std::all_of(cards_.begin(), cards_.begin() + end_,
                           [&](const Card& card) { return card.model == cards_[0].model; });
    SkipFull();
  }

  bool is_full() const { return begin_ == end_; }

  // |any_card|: all cards with enough compute left will do, if the first one will.
  void Place(const Arrival& arrival, bool memory_matters) {
    if (arrival.cpu_milli > cpu_milli_) return;
    const CardRequest& request = arrival.request;
    if (request.count > 0) {
      if (uniform_ && !memory_matters) {
        if ((request.models >> cards_[0].model & 1) == 0 || !TakeAlike(request)) return;
      } else if (!TakeSome(request)) {
        return;
      }
    }
    cpu_milli_ -= arrival.cpu_milli;
  }

  int64_t idle_milli() const {
    int64_t idle = 0;
    for (int i = begin_; i < end_; ++i) idle += cards_[i].idle;
    return idle * 1000 / kWhole;
  }

 private:
  struct Card {
    uint16_t idle;
    uint8_t model;
    uint64_t idle_bytes;
  };

  void SkipFull() {
    while (begin_ < end_ && cards_[begin_].idle == 0) ++begin_;
  }

  // Card |place| has less left now: it moves down, so that the cards stay sorted.
  void Use(int place, const CardRequest& request) {
    Card card = cards_[place];
    card.idle = static_cast<uint16_t>(card.idle - request.compute.basis_points());
    card.idle_bytes -= request.memory_bytes;
    for (; place > begin_ && cards_[place - 1].idle > card.idle; --place) cards_[place] = cards_[place - 1];
    cards_[place] = card;
    if (card.idle == 0) ++begin_;
  }

  bool TakeAlike(const CardRequest& request) {
    int place = begin_;
    while (place < end_ && cards_[place].idle < request.compute.basis_points()) ++place;
    if (place + request.count > end_) return false;
    for (int taken = 0; taken < request.count; ++taken) Use(place++, request);
    return true;
  }

  bool TakeSome(const CardRequest& request) {
    std::array<int, kMostCards> places{};
    int found = 0;
    for (int i = begin_; i < end_ && found < request.count; ++i) {
      const Card& card = cards_[i];
      if (card.idle >= request.compute.basis_points() && card.idle_bytes >= request.memory_bytes &&
          (request.models >> card.model & 1) != 0)
        places[found++] = i;
    }
    if (found < request.count) return false;
    for (int i = 0; i < found; ++i) Use(places[i], request);
    return true;
  }

  int64_t cpu_milli_;
  std::array<Card, kMostCards> cards_{};
  int begin_ = 0, end_ = 0;  // cards before |begin_| are full
  bool uniform_ = true;      // of one model
};

double Lookahead::IdleMilli(const NodeState& node) const {
  const Filling now(node);
  const std::span<const Arrival> all = arrivals_;
  const size_t length = all.size() / sequences_;  // 0 without a mix
  int64_t sum = 0;
  for (int i = 0; i < sequences_; ++i) {
    Filling filling = now;
    for (const Arrival& arrival : all.subspan(i * length, length)) {
      if (filling.is_full()) break;
      filling.Place(arrival, memory_matters_);
    }
    sum += filling.idle_milli();
  }
  return static_cast<double>(sum) / sequences_;
}

}  // namespace xpool::scheduler
