#include "slice/lease_gate.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

namespace xpool {
namespace {

using Verdict = LeaseGate::Verdict;

constexpr int64_t kQuantumNs = 5 * kNsPerMs;

// The agent's side of one page, moved by hand.
class FakeAgent {
 public:
  FakeAgent() {
    page.quantum_ns = kQuantumNs;
    page.inflight_bound_ns = kQuantumNs;
  }

  void Grant(bool tracked, int64_t until_ns = 0) {
    page.lease_until_ns = until_ns;
    page.wants = 0;
    page.lease = word().NextGrant(tracked).bits;
  }
  void SetTracked(int64_t until_ns) {
    page.lease_until_ns = until_ns;
    page.lease.fetch_or(kLeaseTracked);
  }
  // True when the idle lease could be taken; else a busy one is revoked.
  bool TakeOrRevoke() {
    LeaseWord seen = word();
    while (seen.state() == LeaseState::kBusy || seen.state() == LeaseState::kIdle) {
      const bool take = seen.state() == LeaseState::kIdle;
      const LeaseWord next = take ? seen.Ended() : seen.WithState(LeaseState::kRevoke);
      if (page.lease.compare_exchange_strong(seen.bits, next.bits)) return take;
    }
    return false;
  }
  LeaseWord word() const { return LeaseWord{page.lease.load()}; }
  LeaseState state() const { return word().state(); }

  ControlPage page{};
};

class LeaseGateTest : public testing::Test {
 protected:
  void Attach() { gate.AttachPage(&agent.page); }
  // Admits and completes one command of |ns| under the clock.
  void RunOne(int64_t ns, bool more_ready) {
    ASSERT_NE(gate.Admit(ns), Verdict::kWait);
    clock.Advance(ns);
    gate.Complete(1, ns, more_ready);
  }

  FakeAgent agent;
  ManualClock clock;
  int rings = 0;
  int kicks = 0;
  LeaseGate gate{&clock, [this] { ++rings; }, [this] { ++kicks; }};
};

TEST_F(LeaseGateTest, WithoutAPageEverythingWaits) {
  EXPECT_EQ(gate.Admit(1000), Verdict::kWait);
  EXPECT_EQ(gate.inflight_commands(), 0u);
}

TEST_F(LeaseGateTest, WithoutALeaseWorkAsksOnceAndWaits) {
  Attach();
  EXPECT_EQ(gate.Admit(1000), Verdict::kWait);
  EXPECT_EQ(gate.Admit(1000), Verdict::kWait);
  EXPECT_EQ(agent.page.wants, 1u);
  EXPECT_EQ(rings, 1);
  EXPECT_EQ(agent.page.lease_waits, 1u);
  EXPECT_EQ(gate.inflight_commands(), 0u);
}

TEST_F(LeaseGateTest, NothingReadyAsksForNothing) {
  Attach();
  gate.Settle(false);
  EXPECT_EQ(agent.page.wants, 0u);
  EXPECT_EQ(rings, 0);
}

TEST_F(LeaseGateTest, LoneHolderForwardsShortCommandsUnobserved) {
  Attach();
  agent.Grant(false);
  EXPECT_EQ(gate.Admit(1000), Verdict::kForward);
  EXPECT_EQ(gate.inflight_commands(), 1u);
  EXPECT_EQ(gate.inflight_ns(), 1000);
}

TEST_F(LeaseGateTest, LoneHolderHasAboutAQuantumInFlight) {
  Attach();
  agent.Grant(false);
  int admitted = 0;
  while (gate.Admit(100 * kNsPerUs) != Verdict::kWait) ++admitted;
  EXPECT_EQ(admitted, kQuantumNs / (100 * kNsPerUs));
}

TEST_F(LeaseGateTest, LoneHolderObservesEveryFewCommandsAndTheLastOne) {
  Attach();
  agent.Grant(false);
  int unobserved_in_a_row = 0;
  Verdict last = Verdict::kWait;
  for (Verdict v = gate.Admit(10'000); v != Verdict::kWait; v = gate.Admit(10'000)) {
    unobserved_in_a_row = v == Verdict::kForward ? unobserved_in_a_row + 1 : 0;
    ASSERT_LE(unobserved_in_a_row * 10'000, kQuantumNs / 4);
    last = v;
  }
  EXPECT_EQ(last, Verdict::kForwardTracked);
}

TEST_F(LeaseGateTest, CommandLongerThanAQuantumRunsAlone) {
  Attach();
  agent.Grant(false);
  EXPECT_EQ(gate.Admit(8 * kQuantumNs), Verdict::kForwardTracked);
  EXPECT_EQ(gate.Admit(1000), Verdict::kWait);
  gate.Complete(1, 8 * kQuantumNs, true);
  EXPECT_EQ(gate.Admit(1000), Verdict::kForward);
}

TEST_F(LeaseGateTest, WaitingForRoomAsksTheWatcherToObserveOnce) {
  Attach();
  agent.Grant(false);
  while (gate.Admit(kNsPerMs) != Verdict::kWait) {
  }
  EXPECT_EQ(gate.Admit(kNsPerMs), Verdict::kWait);
  EXPECT_EQ(kicks, 1);
  EXPECT_TRUE(gate.MustTrack());
  EXPECT_EQ(agent.page.wants, 0u);
  gate.Complete(1, kNsPerMs, true);
  EXPECT_FALSE(gate.MustTrack());
}

TEST_F(LeaseGateTest, LeaseThatComesBetweenRefusalAndRetryIsKept) {
  Attach();
  EXPECT_EQ(gate.Admit(1000), Verdict::kWait);
  agent.Grant(/*tracked=*/true, clock.NowNs() + kQuantumNs);
  gate.Settle(/*more_ready=*/false);  // the watcher looks before the command is in a software queue
  EXPECT_EQ(agent.state(), LeaseState::kBusy);
  EXPECT_EQ(gate.Admit(1000), Verdict::kForwardTracked);
}

TEST_F(LeaseGateTest, LeaseThatNobodyComesForGoesIdle) {
  Attach();
  EXPECT_EQ(gate.Admit(1000), Verdict::kWait);
  clock.Advance(2 * kNsPerMs);
  agent.Grant(/*tracked=*/true, clock.NowNs() + kQuantumNs);
  gate.Settle(/*more_ready=*/false);
  EXPECT_EQ(agent.state(), LeaseState::kIdle);
}

TEST_F(LeaseGateTest, PumpIsWantedOnlyWhileThereIsRoom) {
  Attach();
  agent.Grant(/*tracked=*/true, clock.NowNs() + kQuantumNs);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(gate.Admit(2 * kNsPerMs), Verdict::kForwardTracked);
  ASSERT_EQ(gate.Admit(2 * kNsPerMs), Verdict::kWait);
  clock.Advance(2 * kNsPerMs);
  EXPECT_FALSE(gate.Complete(1, 2 * kNsPerMs, true)) << "4 ms in flight, 3 ms of lease left";
  EXPECT_FALSE(gate.Complete(1, 2 * kNsPerMs, false)) << "nothing waits";
  EXPECT_TRUE(gate.Complete(1, 2 * kNsPerMs, true));
  ASSERT_EQ(gate.Admit(2 * kNsPerMs), Verdict::kForwardTracked);
  EXPECT_FALSE(gate.Complete(0, 0, true)) << "1 ms of room is not worth it";
  agent.TakeOrRevoke();
  EXPECT_FALSE(gate.Complete(0, 0, true)) << "the next grant rings";
}

TEST_F(LeaseGateTest, LoneHolderReportsNothingWhenItRunsDry) {
  Attach();
  agent.Grant(false);
  RunOne(1000, false);
  gate.Settle(false);
  EXPECT_EQ(agent.state(), LeaseState::kBusy);
  EXPECT_EQ(rings, 0);
  EXPECT_EQ(agent.page.commands, 1u);
}

TEST_F(LeaseGateTest, PartnersArrivalDemandsObservationOfWhatIsInFlight) {
  Attach();
  agent.Grant(false);
  ASSERT_EQ(gate.Admit(1000), Verdict::kForward);
  EXPECT_FALSE(gate.MustTrack());
  agent.SetTracked(kQuantumNs);
  EXPECT_TRUE(gate.MustTrack());
  gate.Settle(false);
  EXPECT_EQ(agent.state(), LeaseState::kBusy) << "work is in flight";
  gate.Complete(1, 1000, false);
  EXPECT_EQ(agent.state(), LeaseState::kIdle);
  EXPECT_FALSE(gate.MustTrack());
}

TEST_F(LeaseGateTest, TrackedHolderGoesIdleAtOnceWhenAPartnerFindsItDry) {
  Attach();
  agent.Grant(false);
  clock.Set(1234);
  agent.SetTracked(kQuantumNs);
  gate.Settle(false);
  EXPECT_EQ(agent.state(), LeaseState::kIdle);
  EXPECT_TRUE(agent.word().tracked());
  EXPECT_EQ(agent.page.idle_since_ns, 1234);
  EXPECT_EQ(rings, 1);
}

TEST_F(LeaseGateTest, TrackedHolderWithReadyWorkStaysBusy) {
  Attach();
  agent.Grant(true, kQuantumNs);
  RunOne(1000, true);
  EXPECT_EQ(agent.state(), LeaseState::kBusy);
}

TEST_F(LeaseGateTest, IdleHolderResumesWithoutTheAgent) {
  Attach();
  agent.Grant(true, kQuantumNs);
  RunOne(1000, false);
  ASSERT_EQ(agent.state(), LeaseState::kIdle);
  const uint32_t epoch = agent.word().epoch();
  EXPECT_EQ(gate.Admit(1000), Verdict::kForwardTracked);
  EXPECT_EQ(agent.state(), LeaseState::kBusy);
  EXPECT_EQ(agent.word().epoch(), epoch);
}

TEST_F(LeaseGateTest, TakenIdleLeaseIsAskedForAgain) {
  Attach();
  agent.Grant(true, kQuantumNs);
  RunOne(1000, false);
  ASSERT_TRUE(agent.TakeOrRevoke());
  EXPECT_EQ(gate.Admit(1000), Verdict::kWait);
  EXPECT_EQ(agent.page.wants, 1u);
  EXPECT_EQ(agent.state(), LeaseState::kNone);
}

TEST_F(LeaseGateTest, TrackedAdmissionIsBoundedByTheTimeLeftAndTheBound) {
  Attach();
  agent.Grant(true, kQuantumNs);
  agent.page.inflight_bound_ns = 500 * kNsPerUs;
  EXPECT_EQ(gate.Admit(400 * kNsPerUs), Verdict::kForwardTracked);
  EXPECT_EQ(gate.Admit(400 * kNsPerUs), Verdict::kForwardTracked) << "starts before the bound";
  EXPECT_EQ(gate.Admit(1000), Verdict::kWait);
  gate.Complete(2, 800 * kNsPerUs, true);
  clock.Set(kQuantumNs - 100);
  EXPECT_EQ(gate.Admit(kNsPerMs), Verdict::kForwardTracked) << "one command may overrun the end";
  EXPECT_EQ(gate.Admit(1000), Verdict::kWait);
}

TEST_F(LeaseGateTest, WithAHigherClassPresentOneCommandIsInFlight) {
  Attach();
  agent.Grant(true, kQuantumNs);
  agent.page.inflight_bound_ns = 0;
  EXPECT_EQ(gate.Admit(1000), Verdict::kForwardTracked);
  EXPECT_EQ(gate.Admit(1000), Verdict::kWait);
}

TEST_F(LeaseGateTest, EndedLeaseWithNothingInFlightIsGivenBackAndAskedForAgain) {
  Attach();
  agent.Grant(true, kQuantumNs);
  clock.Set(kQuantumNs);
  EXPECT_EQ(gate.Admit(1000), Verdict::kWait);
  EXPECT_EQ(agent.state(), LeaseState::kNone);
  EXPECT_FALSE(agent.word().tracked());
  EXPECT_EQ(agent.page.wants, 1u);
  EXPECT_GE(rings, 1);
}

TEST_F(LeaseGateTest, EndedLeaseWithWorkInFlightIsGivenBackWhenItHasDrained) {
  Attach();
  agent.Grant(true, kQuantumNs);
  ASSERT_EQ(gate.Admit(1000), Verdict::kForwardTracked);
  clock.Set(kQuantumNs + 1);
  EXPECT_EQ(gate.Admit(1000), Verdict::kWait);
  EXPECT_EQ(agent.state(), LeaseState::kBusy);
  gate.Complete(1, 1000, true);
  EXPECT_EQ(agent.state(), LeaseState::kNone);
  EXPECT_EQ(agent.page.wants, 1u);
}

TEST_F(LeaseGateTest, RevokedHolderForwardsNothingAndGivesBackWhenDrained) {
  Attach();
  agent.Grant(true, kQuantumNs);
  ASSERT_EQ(gate.Admit(1000), Verdict::kForwardTracked);
  ASSERT_FALSE(agent.TakeOrRevoke());
  EXPECT_EQ(gate.Admit(1000), Verdict::kWait);
  EXPECT_EQ(agent.state(), LeaseState::kRevoke);
  EXPECT_EQ(agent.page.wants, 0u);
  gate.Complete(1, 1000, false);
  EXPECT_EQ(agent.state(), LeaseState::kNone);
  EXPECT_EQ(agent.page.wants, 0u) << "nothing more was ready";
  EXPECT_EQ(rings, 1);
}

TEST_F(LeaseGateTest, RevokedHolderWithNothingInFlightGivesBackAtTheDoorbell) {
  Attach();
  agent.Grant(false);
  ASSERT_FALSE(agent.TakeOrRevoke());
  gate.Settle(true);
  EXPECT_EQ(agent.state(), LeaseState::kNone);
  EXPECT_EQ(agent.page.wants, 1u);
}

TEST_F(LeaseGateTest, NextGrantGrowsTheEpochAndServesWhoWaited) {
  Attach();
  ASSERT_EQ(gate.Admit(1000), Verdict::kWait);
  agent.Grant(true, kQuantumNs);
  EXPECT_EQ(agent.word().epoch(), 1u);
  EXPECT_EQ(gate.Admit(1000), Verdict::kForwardTracked);
  EXPECT_EQ(agent.page.wants, 0u);
}

TEST_F(LeaseGateTest, ShortGapsStopTheRingingAndLongOnesBringItBack) {
  Attach();
  agent.Grant(true, kNsPerSec);
  RunOne(1000, false);
  EXPECT_EQ(rings, 1) << "the first gap is unknown";
  clock.Advance(20 * kNsPerUs);
  RunOne(1000, false);
  EXPECT_EQ(rings, 1);
  EXPECT_EQ(agent.page.rings_when_idle, 0u);
  EXPECT_EQ(agent.page.gap_ns, 20 * kNsPerUs);
  for (int i = 0; i < 20; ++i) {
    clock.Advance(10 * kNsPerMs);
    RunOne(1000, false);
  }
  EXPECT_EQ(agent.page.rings_when_idle, 1u);
  EXPECT_GT(rings, 1);
}

TEST_F(LeaseGateTest, GapIsLearnedAlsoWhenTheLeaseWasTaken) {
  Attach();
  agent.Grant(true, kNsPerSec);
  RunOne(1000, false);
  ASSERT_TRUE(agent.TakeOrRevoke());
  clock.Advance(3 * kNsPerMs);
  gate.Admit(1000);
  EXPECT_EQ(agent.page.gap_ns, 3 * kNsPerMs);
}

TEST_F(LeaseGateTest, ReattachKeepsTheAdoptedLeaseAndTheCounters) {
  Attach();
  agent.Grant(false);
  RunOne(1000, false);
  FakeAgent next;
  next.page.lease = gate.word().bits;
  gate.AttachPage(&next.page);
  EXPECT_EQ(gate.Admit(1000), Verdict::kForward);
  EXPECT_EQ(next.page.commands, 1u);
  EXPECT_EQ(agent.state(), LeaseState::kNone) << "the old page grants nothing any more";
}

TEST_F(LeaseGateTest, LeaseDrainedBetweenHelloAndWelcomeIsGivenBack) {
  Attach();
  agent.Grant(true, kQuantumNs);
  ASSERT_EQ(gate.Admit(1000), Verdict::kForwardTracked);
  FakeAgent next;
  next.page.lease = gate.word().bits;
  clock.Set(2 * kQuantumNs);
  gate.Complete(1, 1000, false);
  gate.AttachPage(&next.page);
  EXPECT_EQ(next.state(), LeaseState::kNone);
  EXPECT_GE(rings, 1);
}

TEST_F(LeaseGateTest, WaitingWorkIsAskedForAgainAtTheNextAgent) {
  Attach();
  ASSERT_EQ(gate.Admit(1000), Verdict::kWait);
  FakeAgent next;
  gate.AttachPage(&next.page);
  EXPECT_EQ(next.page.wants, 1u);
  EXPECT_EQ(rings, 2);
}

TEST_F(LeaseGateTest, DetachedGateForwardsNothing) {
  Attach();
  agent.Grant(false);
  gate.Detach();
  EXPECT_EQ(gate.Admit(1000), Verdict::kWait);
  gate.Complete(1, 1000, true);
  gate.Settle(true);
  EXPECT_EQ(agent.page.wants, 0u);
}

TEST_F(LeaseGateTest, CompletingMoreThanWasAdmittedLeavesZero) {
  Attach();
  agent.Grant(false);
  ASSERT_EQ(gate.Admit(1000), Verdict::kForward);
  gate.Complete(7, INT64_MAX, false);
  EXPECT_EQ(gate.inflight_commands(), 0u);
  EXPECT_EQ(gate.inflight_ns(), 0);
  gate.Complete(1, INT64_MIN, false);
  EXPECT_EQ(gate.inflight_commands(), 0u);
}

TEST_F(LeaseGateTest, NonsenseEstimatesAreClamped) {
  Attach();
  agent.Grant(false);
  EXPECT_NE(gate.Admit(INT64_MIN), Verdict::kWait);
  EXPECT_EQ(gate.inflight_ns(), LeaseGate::kMinEstimateNs);
  EXPECT_NE(gate.Admit(INT64_MAX), Verdict::kWait);
  EXPECT_EQ(gate.inflight_ns(), LeaseGate::kMinEstimateNs + LeaseGate::kMaxEstimateNs);
}

// Every field of the page may hold anything: the gate must come through, and count back to zero.
TEST_F(LeaseGateTest, ScribbledPageIsSurvived) {
  Attach();
  std::mt19937_64 random(20240607);
  const int64_t extremes[] = {0, -1, 1, INT64_MAX, INT64_MIN};
  const auto any = [&] { return random() % 2 ? extremes[random() % 5] : static_cast<int64_t>(random()); };
  int admitted = 0;
  for (int i = 0; i < 20'000; ++i) {
    agent.page.lease = static_cast<uint64_t>(any());
    agent.page.lease_until_ns = any();
    agent.page.quantum_ns = any();
    agent.page.inflight_bound_ns = any();
    agent.page.wants = static_cast<uint32_t>(any());
    clock.Advance(static_cast<int64_t>(random() % 1000));
    if (gate.Admit(any()) != Verdict::kWait) ++admitted;
    gate.MustTrack();
    gate.Settle(random() % 2);
    if (admitted > 0 && random() % 2) {
      gate.Complete(1, any(), random() % 2);
      --admitted;
    }
    ASSERT_EQ(gate.inflight_commands(), static_cast<uint32_t>(admitted));
  }
}

// The agent grants, tracks, revokes and takes at random while four threads run commands. Whenever the word is NONE
// after a return, no command may be between its Admit() and its Complete().
TEST(LeaseGateRaceTest, NoCommandRunsWithoutALease) {
  FakeAgent agent;
  std::atomic<int> running{0};
  std::atomic<bool> stop{false};
  LeaseGate gate(Clock::Monotonic(), [] {});
  gate.AttachPage(&agent.page);

  std::vector<std::thread> users;
  for (int t = 0; t < 4; ++t) {
    users.emplace_back([&] {
      while (!stop.load(std::memory_order_relaxed)) {
        if (gate.Admit(20'000) == Verdict::kWait) {
          gate.Settle(true);
          std::this_thread::yield();
          continue;
        }
        running.fetch_add(1, std::memory_order_relaxed);
        running.fetch_sub(1, std::memory_order_relaxed);
        gate.Complete(1, 20'000, false);
      }
    });
  }
  std::mt19937 random(7);
  int grants = 0;
  for (int i = 0; i < 2'000; ++i) {
    const int64_t until_ns = Clock::Monotonic()->NowNs() + static_cast<int64_t>(random() % 50'000);
    agent.Grant(random() % 2, until_ns);
    ++grants;
    if (random() % 2) std::this_thread::yield();
    if (random() % 2) agent.SetTracked(until_ns);
    agent.TakeOrRevoke();
    while (agent.state() != LeaseState::kNone) gate.Settle(true);
    ASSERT_EQ(running.load(), 0) << "after grant " << grants;
  }
  stop = true;
  for (std::thread& user : users) user.join();
  EXPECT_EQ(gate.inflight_commands(), 0u);
  EXPECT_EQ(gate.inflight_ns(), 0);
}

}  // namespace
}  // namespace xpool
