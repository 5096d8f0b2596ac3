// Storms of events in any order, including ones that no honest client would send: the arbiter never gives the XPU
// twice, never comes to a stop, and its deadlines stay in the future.

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

#include "arbiter/arbiter.h"

namespace xpool::arbiter {
namespace {

using Random = std::mt19937_64;

class Storm {
 public:
  explicit Storm(uint64_t seed) : random_(seed) {}

  void Run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      now_ns_ += Below(4) == 0 ? Below(30 * kNsPerMs) : Below(200 * kNsPerUs);
      for (int64_t n = Below(4); n > 0; --n) AnyEvent();
      Decide();
    }
  }

  // Everybody becomes honest: whoever wants the XPU gets it.
  void ExpectProgress() {
    for (ClientId c = kClients; c < kClients + 2; ++c) arbiter_.Remove(c, now_ns_);
    for (ClientId c = 0; c < kClients; ++c) arbiter_.SetTerms(c, {Share::FromPercent(5)}, now_ns_);
    for (ClientId c = 0; c < kClients; ++c) arbiter_.Add(c, {Share::FromPercent(5)}, now_ns_);
    std::map<ClientId, int> grants;
    for (int round = 0; round < 20'000 && grants.size() < kClients; ++round) {
      for (ClientId c = 0; c < kClients; ++c) arbiter_.Want(c, now_ns_);
      for (const Action& a : arbiter_.Decide(now_ns_)) {
        if (a.kind == ActionKind::kGrant) grants[a.client]++;
      }
      now_ns_ += 5 * kNsPerMs;
      arbiter_.Decide(now_ns_);
      for (ClientId c = 0; c < kClients; ++c) arbiter_.Returned(c, now_ns_);
    }
    EXPECT_EQ(grants.size(), kClients);
  }

 private:
  static constexpr ClientId kClients = 8;

  int64_t Below(int64_t n) { return std::uniform_int_distribution<int64_t>(0, n - 1)(random_); }

  Terms AnyTerms() {
    Terms terms;
    terms.guarantee = Share::FromBasisPoints(Below(12'000) - 1000);
    terms.limit = Below(2) == 0 ? Share::Full() : Share::FromBasisPoints(Below(12'000) - 1000);
    terms.priority = static_cast<Priority>(Below(5));
    return terms;
  }

  void AnyEvent() {
    const ClientId c = static_cast<ClientId>(Below(kClients + 2));
    switch (Below(14)) {
      case 0:
        return Remove(c);
      case 1:
        return arbiter_.Add(c, AnyTerms(), now_ns_);
      case 2:
        return arbiter_.SetTerms(c, AnyTerms(), now_ns_);
      case 3:
        return arbiter_.SetOccupancy(c, static_cast<double>(Below(300) - 100) / 100);
      case 4:
        return arbiter_.SetGap(c, Below(4 * kNsPerMs) - kNsPerMs);
      case 5:
        return arbiter_.Idle(c, now_ns_ - Below(kNsPerSec) + Below(kNsPerMs), now_ns_);
      case 6:
        return arbiter_.Busy(c, now_ns_ - Below(kNsPerMs));
      case 7:
      case 8:
        arbiter_.Returned(c, now_ns_);
        leased_.erase(c);
        return;
      default:
        return arbiter_.Want(c, now_ns_);
    }
  }

  void Remove(ClientId c) {
    arbiter_.Remove(c, now_ns_);
    leased_.erase(c);
  }

  void Decide() {
    for (const Action& action : arbiter_.Decide(now_ns_)) {
      ASSERT_LT(action.client, kClients + 2);
      if (action.kind == ActionKind::kGrant) {
        EXPECT_FALSE(leased_.contains(action.client)) << "granted twice";
        leased_[action.client] = true;
        EXPECT_GT(action.until_ns, now_ns_);
        EXPECT_GT(action.inflight_bound_ns, 0);
      } else {
        EXPECT_TRUE(leased_.contains(action.client)) << "an action for a client without a lease";
      }
    }
    EXPECT_TRUE(arbiter_.Decide(now_ns_).empty()) << "a second decision without an event has nothing to add";
    const auto deadline_ns = arbiter_.NextDeadline();
    EXPECT_GT(deadline_ns.value_or(now_ns_ + 1), now_ns_);
  }

  Random random_;
  Arbiter arbiter_{Options{}};
  int64_t now_ns_ = kNsPerSec;
  std::map<ClientId, bool> leased_;
};

TEST(ArbiterStorm, SurvivesAnyOrderOfEvents) {
  for (uint64_t seed = 1; seed <= 6000 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Storm storm(seed);
    storm.Run(150);
    storm.ExpectProgress();
  }
}

// With clients of full size only, two leases at once would be two programs on one XPU; but a higher class does not wait
// until a lower one has drained.
TEST(ArbiterStorm, NeverTwoExclusiveHoldersOfAClass) {
  for (uint64_t seed = 1; seed <= 1000 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    Arbiter arbiter{Options{}};
    const auto below = [&](int64_t n) { return std::uniform_int_distribution<int64_t>(0, n - 1)(random); };
    std::map<ClientId, Priority> priorities;
    for (ClientId c = 0; c < 6; ++c) {
      priorities[c] = Priority(below(3));
      arbiter.Add(c, {Share::FromPercent(1 + below(50)), Share::FromPercent(20 + below(81)), priorities[c]}, 0);
    }
    int64_t now_ns = 0;
    std::map<ClientId, bool> holders;  // and whether each has been told to stop
    for (int step = 0; step < 300; ++step) {
      now_ns += below(3 * kNsPerMs);
      const ClientId c = static_cast<ClientId>(below(6));
      switch (below(5)) {
        case 0:
          arbiter.Returned(c, now_ns);
          holders.erase(c);
          break;
        case 1:
          arbiter.Idle(c, now_ns, now_ns);
          break;
        case 2:
          arbiter.Busy(c, now_ns);
          break;
        default:
          arbiter.Want(c, now_ns);
      }
      for (const Action& a : arbiter.Decide(now_ns)) {
        holders[a.client] = a.kind == ActionKind::kRevoke || a.kind == ActionKind::kTake;
      }
      std::map<Priority, int> of_class;
      int running = 0;
      for (const auto& [holder, stopping] : holders) {
        ASSERT_EQ(++of_class[priorities[holder]], 1);
        running += stopping ? 0 : 1;
      }
      ASSERT_LE(running, 1);
    }
  }
}

}  // namespace
}  // namespace xpool::arbiter
