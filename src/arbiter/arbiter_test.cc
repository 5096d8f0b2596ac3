// The arbiter's decisions one at a time: which action follows which event.

#include "arbiter/arbiter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace xpool::arbiter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kMs = kNsPerMs;

MATCHER_P2(Is, kind, client, "") { return arg.kind == kind && arg.client == static_cast<ClientId>(client); }

class ArbiterTest : public ::testing::Test {
 protected:
  static Terms Of(int guarantee, int limit = 100, Priority priority = Priority::kNormal) {
    return {Share::FromPercent(guarantee), Share::FromPercent(limit), priority};
  }

  std::vector<Action> Decide() { return arbiter_.Decide(now_); }
  std::vector<Action> At(int64_t ns) {
    now_ = ns;
    return Decide();
  }
  void Want(ClientId c) { arbiter_.Want(c, now_); }
  void Idle(ClientId c) { arbiter_.Idle(c, now_, now_); }
  void Busy(ClientId c) { arbiter_.Busy(c, now_); }
  void Return(ClientId c) { arbiter_.Returned(c, now_); }
  void Add(ClientId c, const Terms& terms) { arbiter_.Add(c, terms, now_); }

  Options options_;
  Arbiter arbiter_{options_};
  int64_t now_ = 1000 * kMs;
};

TEST_F(ArbiterTest, LoneClientGetsAnUntrackedLeaseAndIsLeftInPeace) {
  Add(1, Of(30));
  Want(1);
  const auto actions = Decide();
  ASSERT_THAT(actions, ElementsAre(Is(ActionKind::kGrant, 1)));
  EXPECT_FALSE(actions[0].tracked);
  EXPECT_EQ(actions[0].inflight_bound_ns, options_.quantum_ns);
  EXPECT_EQ(arbiter_.NextDeadline(), std::nullopt);
  EXPECT_THAT(At(now_ + 3600 * kNsPerSec), IsEmpty());
  EXPECT_EQ(arbiter_.UsageOf(1, now_).contended_ns, 0);
}

TEST_F(ArbiterTest, WaiterMakesTheLoneHolderTrackedForAQuantumAndThenGetsItsTurn) {
  Add(1, Of(50));
  Add(2, Of(50));
  Want(1);
  Decide();
  now_ += 100 * kMs;
  Want(2);
  const auto update = Decide();
  ASSERT_THAT(update, ElementsAre(Is(ActionKind::kUpdate, 1)));
  EXPECT_TRUE(update[0].tracked);
  EXPECT_EQ(update[0].until_ns, now_ + options_.quantum_ns);
  const int64_t until = update[0].until_ns;
  EXPECT_THAT(At(until - 1), IsEmpty());
  EXPECT_THAT(At(until), ElementsAre(Is(ActionKind::kRevoke, 1)));
  now_ += kMs / 10;
  Return(1);
  Want(1);
  EXPECT_THAT(Decide(), ElementsAre(Is(ActionKind::kGrant, 2)));
}

TEST_F(ArbiterTest, HolderIsUntrackedAgainWhenItsRivalIsGone) {
  Add(1, Of(50));
  Add(2, Of(50));
  Want(1);
  Want(2);
  ASSERT_THAT(Decide(), ElementsAre(Is(ActionKind::kGrant, 1)));
  arbiter_.Remove(2, now_);
  const auto actions = Decide();
  ASSERT_THAT(actions, ElementsAre(Is(ActionKind::kUpdate, 1)));
  EXPECT_FALSE(actions[0].tracked);
}

TEST_F(ArbiterTest, HolderThatIsStillFirstIsProlongedBeforeItsLeaseEnds) {
  Add(1, Of(90));
  Add(2, Of(10));
  Want(2);
  Decide();
  Want(1);
  now_ += 5 * kMs;
  Decide();
  Return(2);
  Want(2);
  const auto grant = Decide();
  ASSERT_THAT(grant, ElementsAre(Is(ActionKind::kGrant, 1)));
  const auto deadline = arbiter_.NextDeadline();
  ASSERT_TRUE(deadline.has_value());
  ASSERT_LT(*deadline, grant[0].until_ns);
  const auto update = At(*deadline);
  ASSERT_THAT(update, ElementsAre(Is(ActionKind::kUpdate, 1)));
  EXPECT_EQ(update[0].until_ns, grant[0].until_ns + options_.quantum_ns);
}

TEST_F(ArbiterTest, HigherClassEndsALowerLeaseAndStartsBesideWhatItDrains) {
  Add(1, Of(50, 100, Priority::kLow));
  Add(2, Of(10, 100, Priority::kHigh));
  Want(1);
  Decide();
  now_ += kMs;
  Want(2);
  EXPECT_THAT(Decide(), ElementsAre(Is(ActionKind::kRevoke, 1), Is(ActionKind::kGrant, 2)));
  now_ += kMs;
  EXPECT_THAT(Decide(), IsEmpty());
  Return(1);
  Want(1);
  EXPECT_THAT(Decide(), ElementsAre(Is(ActionKind::kUpdate, 2)));
  EXPECT_THAT(At(now_ + 20 * kMs), testing::Not(testing::Contains(Is(ActionKind::kRevoke, 2))));
}

TEST_F(ArbiterTest, LowerHolderThatWasFasterThanTheTakeMustStopBesideAHigherOne) {
  Add(1, Of(50, 100, Priority::kLow));
  Add(2, Of(10, 100, Priority::kHigh));
  Want(1);
  Decide();
  Idle(1);
  Want(2);
  EXPECT_THAT(Decide(), ElementsAre(Is(ActionKind::kTake, 1), Is(ActionKind::kGrant, 2)));
  Busy(1);
  EXPECT_THAT(Decide(), ElementsAre(Is(ActionKind::kRevoke, 1)));
}

TEST_F(ArbiterTest, LowerClassWaitsUntilTheHigherHasDrained) {
  Add(1, Of(50, 100, Priority::kLow));
  Add(2, Of(10, 50, Priority::kHigh));
  Want(2);
  Want(1);
  Decide();
  while (arbiter_.NextDeadline().has_value() && now_ < 1100 * kMs) {
    const auto actions = At(*arbiter_.NextDeadline());
    EXPECT_THAT(actions, testing::Not(testing::Contains(Is(ActionKind::kGrant, 1))));
    if (actions.size() == 1 && actions[0].kind == ActionKind::kRevoke) break;
  }
  Return(2);
  EXPECT_THAT(Decide(), ElementsAre(Is(ActionKind::kGrant, 1)));
}

TEST_F(ArbiterTest, LowerHolderKeepsLittleInFlightWhileAHigherClassIsPresent) {
  Add(1, Of(50, 100, Priority::kLow));
  Add(2, Of(10, 100, Priority::kHigh));
  Want(2);
  Decide();
  Idle(2);
  Want(1);
  now_ += 10 * kMs;
  ASSERT_THAT(Decide(), ElementsAre(Is(ActionKind::kTake, 2)));
  Return(2);
  const auto grant = Decide();
  ASSERT_THAT(grant, ElementsAre(Is(ActionKind::kGrant, 1)));
  EXPECT_TRUE(grant[0].tracked);
  EXPECT_EQ(grant[0].inflight_bound_ns, options_.preempted_bound_ns);
  const int64_t left = now_;
  std::vector<Action> last;
  while (arbiter_.NextDeadline().has_value() && now_ < left + 2 * options_.presence_ns)
    last = At(*arbiter_.NextDeadline());
  ASSERT_THAT(last, ElementsAre(Is(ActionKind::kUpdate, 1)));
  EXPECT_FALSE(last[0].tracked);
  EXPECT_EQ(last[0].inflight_bound_ns, options_.quantum_ns);
  EXPECT_EQ(now_, left + options_.presence_ns);
}

TEST_F(ArbiterTest, IdleHolderIsKeptWhileNobodyWaits) {
  Add(1, Of(50));
  Want(1);
  Decide();
  Idle(1);
  EXPECT_THAT(At(now_ + kNsPerSec), IsEmpty());
}

TEST_F(ArbiterTest, IdleHolderIsTakenAfterTwiceItsGap) {
  Add(1, Of(50));
  Add(2, Of(50));
  arbiter_.SetGap(1, 300 * kNsPerUs);
  Want(1);
  Want(2);
  Decide();
  now_ += kMs;
  Idle(1);
  const int64_t since = now_;
  EXPECT_THAT(Decide(), IsEmpty());
  ASSERT_EQ(arbiter_.NextDeadline(), since + 600 * kNsPerUs);
  EXPECT_THAT(At(since + 599 * kNsPerUs), IsEmpty());
  EXPECT_THAT(At(since + 600 * kNsPerUs), ElementsAre(Is(ActionKind::kTake, 1)));
}

TEST_F(ArbiterTest, ShortGapsStillGetTheLeastGrace) {
  Add(1, Of(50));
  Add(2, Of(50));
  arbiter_.SetGap(1, 10 * kNsPerUs);
  Want(1);
  Want(2);
  Decide();
  Idle(1);
  EXPECT_THAT(Decide(), IsEmpty());
  EXPECT_EQ(arbiter_.NextDeadline(), now_ + options_.min_grace_ns);
}

TEST_F(ArbiterTest, HolderWithLongGapsGetsNoGrace) {
  Add(1, Of(50));
  Add(2, Of(50));
  arbiter_.SetGap(1, options_.max_grace_ns + 1);
  Want(1);
  Want(2);
  Decide();
  now_ += kMs;
  Idle(1);
  EXPECT_THAT(Decide(), ElementsAre(Is(ActionKind::kTake, 1)));
}

TEST_F(ArbiterTest, GraceIsLearnedAgainWhenGapsBecomeShort) {
  Add(1, Of(50));
  Add(2, Of(50));
  arbiter_.SetGap(1, 10 * kMs);
  for (int round = 0; round < 2; ++round) {
    Want(1);
    if (round == 0) Want(2);
    Decide();
    if (round == 1) break;
    Idle(1);
    ASSERT_THAT(Decide(), ElementsAre(Is(ActionKind::kTake, 1)));
    Return(1);
    Decide();
    now_ += 300 * kNsPerUs;
    Want(1);
    Decide();
    now_ += 10 * kMs;
    Decide();
    Return(2);
    Want(2);
    Decide();
  }
  Idle(1);
  EXPECT_EQ(arbiter_.NextDeadline(), now_ + 600 * kNsPerUs);
}

TEST_F(ArbiterTest, TakenHolderThatWasFasterKeepsItsLease) {
  Add(1, Of(50));
  Add(2, Of(50));
  Want(1);
  Want(2);
  Decide();
  Idle(1);
  now_ += options_.max_grace_ns;
  ASSERT_THAT(Decide(), ElementsAre(Is(ActionKind::kTake, 1)));
  Busy(1);
  EXPECT_THAT(Decide(), IsEmpty());
  EXPECT_THAT(At(1000 * kMs + options_.quantum_ns), ElementsAre(Is(ActionKind::kRevoke, 1)));
}

TEST_F(ArbiterTest, LimitedClientStopsAloneUntilItsTokensAreBack) {
  Add(1, Of(10, 10));
  Want(1);
  const auto grant = Decide();
  ASSERT_THAT(grant, ElementsAre(Is(ActionKind::kGrant, 1)));
  EXPECT_TRUE(grant[0].tracked);
  EXPECT_THAT(At(grant[0].until_ns), ElementsAre(Is(ActionKind::kRevoke, 1)));
  Return(1);
  Want(1);
  EXPECT_THAT(Decide(), IsEmpty());
  const auto deadline = arbiter_.NextDeadline();
  ASSERT_TRUE(deadline.has_value());
  EXPECT_NEAR(static_cast<double>(*deadline - now_), 90.0 * kMs, 10.0);
  EXPECT_THAT(At(*deadline), ElementsAre(Is(ActionKind::kGrant, 1)));
}

TEST_F(ArbiterTest, HotResizeOfTheLimitFreesAThrottledClient) {
  Add(1, Of(10, 10));
  Want(1);
  Decide();
  now_ += 5 * kMs;
  Decide();
  Return(1);
  Want(1);
  ASSERT_THAT(Decide(), IsEmpty());
  arbiter_.SetTerms(1, Of(10, 100), now_);
  EXPECT_THAT(Decide(), ElementsAre(Is(ActionKind::kGrant, 1)));
}

TEST_F(ArbiterTest, HotResizeOfThePriorityPreempts) {
  Add(1, Of(50));
  Add(2, Of(50));
  Want(1);
  Want(2);
  Decide();
  arbiter_.SetTerms(2, Of(50, 100, Priority::kHigh), now_);
  EXPECT_THAT(Decide(), ElementsAre(Is(ActionKind::kRevoke, 1), Is(ActionKind::kGrant, 2)));
}

TEST_F(ArbiterTest, LongKernelIsDebtThatIsPaidBeforeTheNextLease) {
  Add(1, Of(50));
  Add(2, Of(50));
  Want(1);
  Want(2);
  Decide();
  now_ += 5 * kMs;
  Decide();
  now_ += 95 * kMs;  // its kernel ran on
  Return(1);
  Want(1);
  ASSERT_THAT(Decide(), ElementsAre(Is(ActionKind::kGrant, 2)));
  EXPECT_GT(arbiter_.UsageOf(1, now_).debt_ns, 90 * kMs);
  const int64_t since = now_;
  std::vector<Action> actions;
  while (!testing::Matches(testing::Contains(Is(ActionKind::kRevoke, 2)))(actions))
    actions = At(*arbiter_.NextDeadline());
  EXPECT_NEAR(static_cast<double>(now_ - since), 100.0 * kMs, 5.0 * kMs);
}

TEST_F(ArbiterTest, GoingAwayBrieflyDoesNotForgiveDebt) {
  Add(1, Of(50));
  Add(2, Of(50));
  Want(1);
  Want(2);
  Decide();
  now_ += 5 * kMs;
  Decide();
  now_ += 95 * kMs;
  Return(1);
  Decide();
  now_ += 25 * kMs;  // longer than the lag window; at half the XPU each it pays half of that
  Want(1);
  Decide();
  const int64_t since = now_;
  std::vector<Action> actions;
  while (!testing::Matches(testing::Contains(Is(ActionKind::kRevoke, 2)))(actions))
    actions = At(*arbiter_.NextDeadline());
  EXPECT_GT(now_ - since, 60 * kMs);
}

TEST_F(ArbiterTest, TimeAloneIsNeitherDebtNorCredit) {
  Add(1, Of(50));
  Add(2, Of(50));
  Want(1);
  Decide();
  now_ += 60 * kNsPerSec;
  Want(2);
  Decide();
  EXPECT_EQ(arbiter_.UsageOf(1, now_).debt_ns, 0);
  now_ += options_.quantum_ns;
  ASSERT_THAT(Decide(), ElementsAre(Is(ActionKind::kRevoke, 1)));
  Return(1);
  Want(1);
  ASSERT_THAT(Decide(), ElementsAre(Is(ActionKind::kGrant, 2)));
  now_ += options_.quantum_ns;
  EXPECT_THAT(Decide(), ElementsAre(Is(ActionKind::kRevoke, 2)));
}

TEST_F(ArbiterTest, WantBeforeTheReturnIsNotLost) {
  Add(1, Of(50));
  Add(2, Of(50));
  Want(1);
  Want(2);
  Decide();
  now_ += 5 * kMs;
  Decide();
  Want(1);  // its doorbell overtook the return
  Return(1);
  ASSERT_THAT(Decide(), ElementsAre(Is(ActionKind::kGrant, 2)));
  Return(2);
  EXPECT_THAT(Decide(), ElementsAre(Is(ActionKind::kGrant, 1)));
}

TEST_F(ArbiterTest, AdoptedHolderKeepsTheXpuAndIsToldItsTerms) {
  Add(1, Of(50));
  Add(2, Of(50));
  arbiter_.AdoptHolder(1, now_);
  Want(2);
  const auto actions = Decide();
  ASSERT_THAT(actions, ElementsAre(Is(ActionKind::kUpdate, 1)));
  EXPECT_TRUE(actions[0].tracked);
  EXPECT_EQ(actions[0].until_ns, now_ + options_.quantum_ns);
  EXPECT_THAT(At(actions[0].until_ns), ElementsAre(Is(ActionKind::kRevoke, 1)));
}

TEST_F(ArbiterTest, OfTwoAdoptedHoldersThatDoNotFitOneLeaves) {
  Add(1, Of(50));
  Add(2, Of(50));
  arbiter_.AdoptHolder(1, now_);
  arbiter_.AdoptHolder(2, now_);
  int revoked = 0;
  for (const Action& a : Decide()) revoked += a.kind == ActionKind::kRevoke ? 1 : 0;
  EXPECT_EQ(revoked, 1);
}

TEST_F(ArbiterTest, DeathOfTheHolderFreesTheXpu) {
  Add(1, Of(50));
  Add(2, Of(50));
  Want(1);
  Want(2);
  Decide();
  arbiter_.Remove(1, now_);
  EXPECT_THAT(Decide(), ElementsAre(Is(ActionKind::kGrant, 2)));
}

TEST_F(ArbiterTest, NonsenseIsIgnored) {
  Want(7);
  Idle(7);
  Busy(7);
  Return(7);
  arbiter_.AdoptHolder(7, now_);
  arbiter_.SetTerms(7, Of(50), now_);
  arbiter_.SetGap(7, -1);
  arbiter_.Remove(7, now_);
  Add(1, Of(50));
  Return(1);
  Idle(1);
  Busy(1);
  EXPECT_THAT(Decide(), IsEmpty());
  EXPECT_EQ(arbiter_.UsageOf(7, now_).leases, 0u);
}

TEST_F(ArbiterTest, ClockThatGoesBackwardsCountsAsNoTime) {
  Add(1, Of(10, 50));
  Want(1);
  Decide();
  arbiter_.Idle(1, now_ + 1000 * kMs, now_ - 500 * kMs);
  EXPECT_THAT(arbiter_.Decide(now_ - 900 * kMs), IsEmpty());
  EXPECT_EQ(arbiter_.UsageOf(1, now_).held_ns, 0);
}

class CoRunTest : public ArbiterTest {
 protected:
  void Add(ClientId c, double occupancy, int guarantee = 30) {
    arbiter_.Add(c, Of(guarantee), now_);
    arbiter_.SetOccupancy(c, occupancy);
  }
};

TEST_F(CoRunTest, WaitersThatFitJoinAndNobodyIsTracked) {
  Add(1, 0.4);
  Add(2, 0.6);
  Want(1);
  Want(2);
  const auto actions = Decide();
  ASSERT_THAT(actions, ElementsAre(Is(ActionKind::kGrant, 1), Is(ActionKind::kGrant, 2)));
  EXPECT_FALSE(actions[0].tracked);
  EXPECT_FALSE(actions[1].tracked);
}

TEST_F(CoRunTest, WaiterThatDoesNotFitWaits) {
  Add(1, 0.5);
  Add(2, 0.9);
  Want(1);
  Want(2);
  EXPECT_THAT(Decide(), ElementsAre(Is(ActionKind::kGrant, 1)));
}

TEST_F(CoRunTest, SmallOnesRunTogetherWhileEachIsNoSlowerThanItsGuarantee) {
  Add(1, 0.6, 50);
  Add(2, 0.65, 50);
  Want(1);
  Want(2);
  EXPECT_THAT(Decide(), ElementsAre(Is(ActionKind::kGrant, 1), Is(ActionKind::kGrant, 2)));
}

TEST_F(CoRunTest, NobodyIsSlowedDownBelowItsGuarantee) {
  Add(1, 0.6, 85);  // beside the other it would run at 80 %
  Add(2, 0.65, 15);
  Want(1);
  Want(2);
  EXPECT_THAT(Decide(), ElementsAre(Is(ActionKind::kGrant, 1)));
}

TEST_F(CoRunTest, LimitedClientIsNotSlowedDown) {
  arbiter_.Add(1, Of(30, 50), now_);
  arbiter_.SetOccupancy(1, 0.6);
  Add(2, 0.65);
  Want(1);
  Want(2);
  EXPECT_THAT(Decide(), ElementsAre(Is(ActionKind::kGrant, 1)));
}

TEST_F(CoRunTest, FullSizeWaiterGetsItsTurnWhenThePresentLeasesEnd) {
  Add(1, 0.4);
  Add(2, 1.0);
  Add(3, 0.4);
  Want(1);
  Decide();
  now_ += kMs;
  Want(2);
  Want(3);
  const auto actions = Decide();
  std::map<ClientId, int64_t> until;
  for (const Action& a : actions) until[a.client] = a.until_ns;
  ASSERT_TRUE(until.contains(1) && until.contains(3) && !until.contains(2));
  EXPECT_LE(until[3], until[1]);
  now_ = until[1];
  EXPECT_THAT(Decide(), testing::UnorderedElementsAre(Is(ActionKind::kRevoke, 1), Is(ActionKind::kRevoke, 3)));
  Return(1);
  Want(1);
  EXPECT_THAT(Decide(), IsEmpty());
  Return(3);
  Want(3);
  EXPECT_THAT(Decide(), ElementsAre(Is(ActionKind::kGrant, 2)));
}

TEST_F(CoRunTest, ContendedTimeIsSplitByOccupancy) {
  Add(1, 0.2);
  Add(2, 0.6);
  Add(3, 1.0);
  Want(1);
  Want(2);
  Decide();
  Want(3);
  Decide();
  now_ += 4 * kMs;
  EXPECT_EQ(arbiter_.UsageOf(1, now_).contended_ns, kMs);
  EXPECT_EQ(arbiter_.UsageOf(2, now_).contended_ns, 3 * kMs);
  EXPECT_EQ(arbiter_.UsageOf(1, now_).held_ns, 4 * kMs);
}

TEST_F(CoRunTest, OccupancyOutOfRangeCountsAsAllOfTheXpu) {
  Add(1, -3);
  Add(2, 0.1);
  Want(1);
  Want(2);
  EXPECT_THAT(Decide(), ElementsAre(Is(ActionKind::kGrant, 1)));
}

TEST_F(CoRunTest, HolderWhoseWorkHasGrownNoLongerSharesTheXpu) {
  Add(1, 0.4);
  Add(2, 0.4);
  Want(1);
  Want(2);
  Decide();
  arbiter_.SetOccupancy(2, 0.9);
  int revoked = 0;
  for (const Action& a : Decide()) revoked += a.kind == ActionKind::kRevoke ? 1 : 0;
  EXPECT_EQ(revoked, 1);
}

}  // namespace
}  // namespace xpool::arbiter
