#include "scheduler/plans/sparing.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <vector>

#include "scheduler/plans/reservation.h"

namespace xpool::scheduler {
namespace {

constexpr double kUnknownRuntimeNs = 3600e9;  // on average
constexpr double kLatestNs = 16 * kUnknownRuntimeNs;
constexpr double kPrecision = 0.05;  // of the time that is found
constexpr double kHalf = 0.5;
constexpr double kRounding = 1e-9;

// A time from now.
class Moment {
 public:
  explicit Moment(double in_ns) : in_ns_(in_ns), unknown_(1 - std::exp(-in_ns / kUnknownRuntimeNs)) {}

  // The chance that a pod has ended then, of which is known that it ends in |wait_ns|; -1: it is not known.
  double ChanceToHaveEnded(double wait_ns) const { return wait_ns < 0 ? unknown_ : wait_ns <= in_ns_ ? 1 : 0; }

 private:
  double in_ns_, unknown_;
};

// The chance that |least| of |count| things have happened, each of which has with |chance| (binomial).
double ChanceOf(int least, int count, double chance) {
  if (least <= 0) return 1;
  if (least > count || chance <= 0) return 0;
  double exactly = std::pow(chance, count), sum = exactly;
  for (int k = count; k > least; --k) {
    exactly *= static_cast<double>(k) / (count - k + 1) * (1 - chance) / chance;
    sum += exactly;
  }
  return sum;
}

// Something of which there is not enough, held by some that will end.
struct Held {
  double amount = 0;
  int holders = 0;
  double ended = 0;  // what is expected of the holders to have ended

  void Add(double of, double chance) {
    amount += of;
    ++holders;
    ended += chance;
  }
  // The chance that |lacking| is free, if each held the same.
  double ChanceToFree(double lacking) const {
    if (lacking <= 0) return 1;
    if (lacking > amount) return 0;
    return ChanceOf(static_cast<int>(std::ceil(lacking / amount * holders - kRounding)), holders, ended / holders);
  }
};

// One node after the other, as far as who waits for |demand| is concerned.
class Prospect {
 public:
  Prospect(const PoolState& pool, const Demand& demand, int64_t now_ns, absl::FunctionRef<int64_t(PodId)> end_of)
      : pool_(pool), demand_(demand), now_ns_(now_ns), end_of_(end_of) {}

  void LookAt(NodeIndex node) {
    state_ = &pool_.nodes()[node];
    pods_.clear();
    users_.clear();
    for (const PodId pod : pool_.pods_on(node)) {
      const PodSpec& spec = pool_.pod(pod).spec;
      pods_.push_back({WaitFor(pod), static_cast<double>(spec.cpu_milli), static_cast<double>(spec.memory_bytes)});
    }
    for (const ClaimId claim : pool_.claims_on(node)) {
      const ClaimRecord& record = pool_.claim(claim);
      const double wait_ns = record.users.empty() ? -1 : WaitFor(record.users[0]);
      for (size_t i = 0; i < record.place->requests.size(); ++i) {
        const CardRequest& request = record.place->requests[i];
        users_.push_back({wait_ns, record.place->cards[i], static_cast<double>(request.compute.basis_points()),
                          static_cast<double>(request.memory_bytes)});
      }
    }
  }

  // Whether there is likely to be room |in_ns| from now.
  bool HasRoom(double in_ns) const {
    const Moment then(in_ns);
    return HasCpuAndMemory(then) && HasCards(then);
  }

 private:
  struct Pod {
    double wait_ns, cpu_milli, memory_bytes;
  };
  struct User {
    double wait_ns;
    CardSet cards;
    double compute, memory_bytes;  // of each
  };

  double WaitFor(PodId pod) const {
    const int64_t end_ns = end_of_(pod);
    return end_ns == kNever ? -1 : static_cast<double>(std::max<int64_t>(0, end_ns - now_ns_));
  }

  bool HasCpuAndMemory(const Moment& then) const {
    Held cpu, memory;
    for (const Pod& pod : pods_) {
      const double chance = then.ChanceToHaveEnded(pod.wait_ns);
      cpu.Add(pod.cpu_milli, chance);
      memory.Add(pod.memory_bytes, chance);
    }
    const auto lacking_cpu = static_cast<double>(demand_.cpu_milli - state_->cpu_milli);
    const double lacking_memory = static_cast<double>(demand_.memory_bytes) - static_cast<double>(state_->memory_bytes);
    return cpu.ChanceToFree(lacking_cpu) >= kHalf && memory.ChanceToFree(lacking_memory) >= kHalf;
  }

  bool HasCards(const Moment& then) const {
    if (demand_.cards.empty()) return true;
    std::array<Held, kMostCards> compute{}, memory{};
    for (const User& user : users_) {
      const double chance = then.ChanceToHaveEnded(user.wait_ns);
      for (CardSet left = user.cards; left != 0; left &= static_cast<CardSet>(left - 1)) {
        const auto card = static_cast<size_t>(std::countr_zero(left));
        compute[card].Add(user.compute, chance);
        memory[card].Add(user.memory_bytes, chance);
      }
    }
    return std::all_of(demand_.cards.begin(), demand_.cards.end(), [&](const CardRequest& request) {
      double expected = 0;
      for (size_t i = 0; i < state_->cards().size(); ++i) {
        const CardState& card = state_->cards()[i];
        if (!card.usable || !card.IsOneOf(request.models)) continue;
        const double lacking = request.compute.basis_points() - static_cast<double>(card.idle);
        const double lacking_bytes = static_cast<double>(request.memory_bytes) - static_cast<double>(card.idle_bytes);
        expected += std::min(compute[i].ChanceToFree(lacking), memory[i].ChanceToFree(lacking_bytes));
      }
      return expected >= request.count - kHalf;
    });
  }

  const PoolState& pool_;
  const Demand& demand_;
  const int64_t now_ns_;
  const absl::FunctionRef<int64_t(PodId)> end_of_;
  const NodeState* state_ = nullptr;
  std::vector<Pod> pods_;
  std::vector<User> users_;
};

}  // namespace

std::optional<NodeIndex> NodeToSpare(const PoolState& pool, const Demand& demand, int64_t now_ns,
                                     absl::FunctionRef<bool(NodeIndex)> accepts,
                                     absl::FunctionRef<int64_t(PodId)> end_of) {
  Prospect prospect(pool, demand, now_ns, end_of);
  std::optional<NodeIndex> soonest;
  double soonest_ns = kLatestNs;
  for (NodeIndex node = 0; node < pool.nodes().size(); ++node) {
    if (!pool.node_exists(node) || !accepts(node)) continue;
    prospect.LookAt(node);
    double too_soon_ns = 0, late_ns = soonest_ns * (1 - kPrecision);
    if (!prospect.HasRoom(late_ns)) continue;
    while (late_ns - too_soon_ns > kPrecision * late_ns) {
      const double middle_ns = (too_soon_ns + late_ns) / 2;
      (prospect.HasRoom(middle_ns) ? late_ns : too_soon_ns) = middle_ns;
    }
    soonest = node;
    soonest_ns = late_ns;
  }
  return soonest;
}

}  // namespace xpool::scheduler
