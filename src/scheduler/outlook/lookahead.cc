#include "scheduler/outlook/lookahead.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <random>

namespace xpool::scheduler {
namespace {

constexpr int kWhole = 10'000;
constexpr int kFewer = 3;  // times, sequences where each takes several times as long

}  // namespace

Lookahead::Lookahead(const Mix& mix, const LookaheadOptions& options)
    : sequences_(options.sequences), memory_matters_(mix.AsksForMemoryOfCards()) {
  std::vector<double> weights;
  for (const PodType& type : mix.types) {
    weights.push_back(static_cast<double>(type.count));
    types_.push_back({type.demand.cpu_milli, type.demand.cards.empty() ? CardRequest{} : type.demand.cards[0]});
    if (type.demand.cards.empty()) continue;
    const CardRequest& request = type.demand.cards[0];
    least_.compute = std::min(least_.compute, request.compute);
    least_.memory_bytes = std::min(least_.memory_bytes, request.memory_bytes);
  }
  if (types_.empty()) return;
  std::mt19937_64 random(options.seed);
  std::discrete_distribution<size_t> draw(weights.begin(), weights.end());
  arrivals_.resize(static_cast<size_t>(sequences_) * kMostArrivals);
  positions_.resize(types_.size() * static_cast<size_t>(sequences_));
  for (int sequence = 0; sequence < sequences_; ++sequence) {
    for (int i = 0; i < std::min(options.arrivals, kMostArrivals); ++i) {
      const size_t type = draw(random);
      arrivals_[sequence * kMostArrivals + i] = static_cast<uint16_t>(type);
      positions_[type * sequences_ + sequence] |= uint64_t{1} << i;
    }
  }
}

// Cards that differ in what is idle on them alone, sorted by it.
class Lookahead::AlikeCards {
 public:
  explicit AlikeCards(const NodeState& node) : cpu_milli(node.cpu_milli) {
    for (const CardState& card : node.cards()) {
      if (!card.usable) continue;
      model_ = card.model;
      idle_[end_++] = card.idle;
    }
    std::sort(idle_.begin(), idle_.begin() + end_);
    while (begin_ < end_ && idle_[begin_] == 0) ++begin_;
  }

  bool is_full() const { return begin_ == end_; }
  int idle() const { return std::accumulate(idle_.begin() + begin_, idle_.begin() + end_, 0); }
  uint64_t idle_mib() const { return 0; }  // it does not matter

  bool Fits(const Type& type) const {
    const CardRequest& request = type.request;
    if (type.cpu_milli > cpu_milli) return false;
    if (request.count == 0) return true;
    return request.count <= end_ - begin_ && idle_[end_ - request.count] >= request.compute.basis_points() &&
           (request.models >> model_ & 1) != 0;
  }

  // REQUIRES: it fits.
  void Take(const Type& type) {
    const int compute = type.request.compute.basis_points();
    int place = begin_;
    while (type.request.count > 0 && idle_[place] < compute) ++place;
    for (int taken = 0; taken < type.request.count; ++taken) Use(place++, compute);
    cpu_milli -= type.cpu_milli;
  }

  int64_t cpu_milli;

 private:
  // Less is idle on one: it moves down, so that they stay sorted.
  void Use(int place, int compute) {
    const auto left = static_cast<uint16_t>(idle_[place] - compute);
    for (; place > begin_ && idle_[place - 1] > left; --place) idle_[place] = idle_[place - 1];
    idle_[place] = left;
    begin_ += left == 0;
  }

  std::array<uint16_t, kMostCards> idle_{};
  int begin_ = 0, end_ = 0;  // those before |begin_| are full
  uint8_t model_ = 0;
};

// Cards of several models, or whose memory is looked at. Those that no type could use any more are put aside.
class Lookahead::AnyCards {
 public:
  AnyCards(const NodeState& node, const CardRequest& least) : cpu_milli(node.cpu_milli), least_(least) {
    for (const CardState& card : node.cards()) {
      if (card.usable) cards_[count_++] = card;
    }
    PutAside();
  }

  bool is_full() const { return count_ == 0; }
  int idle() const {
    return std::accumulate(cards_.begin(), cards_.begin() + count_, aside_idle_,
                           [](int sum, const CardState& card) { return sum + card.idle; });
  }
  uint64_t idle_mib() const {
    return std::accumulate(cards_.begin(), cards_.begin() + count_, aside_mib_,
                           [](uint64_t sum, const CardState& card) { return sum + (card.idle_bytes >> 20); });
  }

  bool Fits(const Type& type) const {
    if (type.cpu_milli > cpu_milli) return false;
    int candidates = 0;
    for (int i = 0; i < count_; ++i) candidates += cards_[i].Serves(type.request);
    return candidates >= type.request.count;
  }

  // REQUIRES: it fits.
  void Take(const Type& type) {
    unsigned chosen = 0;
    for (int taken = 0; taken < type.request.count; ++taken) {
      const int index = Tightest(type.request, chosen);
      chosen |= 1u << index;
      CardState& card = cards_[index];
      card.idle = static_cast<uint16_t>(card.idle - type.request.compute.basis_points());
      card.idle_bytes -= type.request.memory_bytes;
    }
    if (chosen != 0) PutAside();
    cpu_milli -= type.cpu_milli;
  }

  int64_t cpu_milli;

 private:
  int Tightest(const CardRequest& request, unsigned but) const {
    int best = kMostCards;
    for (int i = 0; i < count_; ++i) {
      if ((but >> i & 1) != 0 || !cards_[i].Serves(request)) continue;
      if (best == kMostCards || cards_[i].IsTighter(cards_[best])) best = i;
    }
    return best;
  }

  void PutAside() {
    for (int i = count_; i-- > 0;) {
      if (cards_[i].Serves(least_)) continue;
      aside_idle_ += cards_[i].idle;
      aside_mib_ += cards_[i].idle_bytes >> 20;
      cards_[i] = cards_[--count_];
    }
  }

  CardRequest least_;  // that any type asks for, of everything
  std::array<CardState, kMostCards> cards_{};
  int count_ = 0;
  int aside_idle_ = 0;
  uint64_t aside_mib_ = 0;
};

template <typename Filling>
Lookahead::Idle Lookahead::MeanOver(const Filling& now, int sequences) const {
  // What does not fit now never will: only the others are looked at.
  std::vector<uint64_t> possible(sequences);
  for (size_t type = 0; type < types_.size(); ++type) {
    if (!now.Fits(types_[type])) continue;
    const uint64_t* positions = &positions_[type * sequences_];
    for (int sequence = 0; sequence < sequences; ++sequence) possible[sequence] |= positions[sequence];
  }
  int64_t basis_points = 0, cpu_milli = 0;
  uint64_t card_mib = 0;
  for (int sequence = 0; sequence < sequences; ++sequence) {
    Filling filling = now;
    for (uint64_t left = possible[sequence]; left != 0 && !filling.is_full(); left &= left - 1) {
      const Type& type = types_[arrivals_[sequence * kMostArrivals + std::countr_zero(left)]];
      if (filling.Fits(type)) filling.Take(type);
    }
    basis_points += filling.idle();
    cpu_milli += filling.cpu_milli;
    card_mib += filling.idle_mib();
  }
  return {static_cast<double>(basis_points) / sequences / kWhole, static_cast<double>(cpu_milli) / sequences / 1000,
          static_cast<double>(card_mib) / sequences / 1024};
}

Lookahead::Idle Lookahead::Of(const NodeState& node) const {
  const std::span<const CardState> cards = node.cards();
  const bool are_alike =
      std::all_of(cards.begin(), cards.end(), [&](const CardState& card) { return card.model == cards[0].model; });
  return are_alike && !memory_matters_ ? MeanOver(AlikeCards(node), sequences_)
                                       : MeanOver(AnyCards(node, least_), std::max(1, sequences_ / kFewer));
}

}  // namespace xpool::scheduler
