#include "cli/lease_timeline.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/clock.h"

namespace xpool::cli {
namespace {

constexpr int64_t kMs = kNsPerMs;

TracedSlice Slice(const std::string& id, int percent, int limit = 100, SliceState initial = SliceState::kAway) {
  return {id, id, "xpu0", Share::FromPercent(percent), Share::FromPercent(limit), initial};
}

LeaseChange At(int64_t at_ns, const std::string& slice, const std::string& what) {
  return {at_ns, "xpu0", slice, what};
}

TEST(LeaseTimelineTest, AlternatingLeasesAreChargedByContendedTime) {
  const auto timelines =
      BuildTimelines({At(0, "a", "want"), At(0, "b", "want"), At(0, "a", "grant"), At(6 * kMs, "a", "want"),
                      At(6 * kMs, "a", "return"), At(6 * kMs + 40'000, "b", "grant"), At(10 * kMs, "b", "return")},
                     {Slice("a", 60), Slice("b", 40)}, 0, 10 * kMs);
  ASSERT_EQ(timelines.size(), 1u);
  const XpuTimeline& xpu = timelines[0];
  ASSERT_EQ(xpu.lanes.size(), 2u);
  EXPECT_EQ(xpu.lanes[0].held_ns, 6 * kMs);
  EXPECT_EQ(xpu.lanes[1].held_ns, 4 * kMs - 40'000);
  EXPECT_EQ(xpu.lanes[0].contended_ns, 6 * kMs);
  EXPECT_NEAR(xpu.lanes[0].charged_share, 6.0 / 9.96, 1e-9);
  EXPECT_EQ(xpu.lanes[1].waited_ns, 6 * kMs + 40'000);
  EXPECT_EQ(xpu.lanes[0].leases, 1);
  ASSERT_EQ(xpu.hand_overs_ns.size(), 1u);
  EXPECT_EQ(xpu.hand_overs_ns[0], 40'000);
}

TEST(LeaseTimelineTest, ALoneHolderThatReportsNothingHeldThroughout) {
  const auto timelines = BuildTimelines({}, {Slice("a", 30, 100, SliceState::kRunning)}, 0, kMs);
  EXPECT_EQ(timelines[0].lanes[0].held_ns, kMs);
  EXPECT_TRUE(std::isnan(timelines[0].lanes[0].charged_share));
  EXPECT_EQ(timelines[0].time_ns.at(XpuState::kWorking), kMs);
}

TEST(LeaseTimelineTest, TheFirstRecordTellsHowASliceStood) {
  const auto timelines = BuildTimelines({At(4 * kMs, "a", "return")}, {Slice("a", 30)}, 0, 10 * kMs);
  EXPECT_EQ(timelines[0].lanes[0].held_ns, 4 * kMs);
  EXPECT_EQ(timelines[0].time_ns.at(XpuState::kUnwanted), 6 * kMs);
}

TEST(LeaseTimelineTest, AnIdleHolderIsGrace) {
  const auto timelines = BuildTimelines(
      {At(0, "a", "grant"), At(2 * kMs, "a", "idle"), At(3 * kMs, "a", "take"), At(3 * kMs, "a", "return")},
      {Slice("a", 30)}, 0, 4 * kMs);
  EXPECT_EQ(timelines[0].time_ns.at(XpuState::kGrace), kMs);
  EXPECT_EQ(timelines[0].lanes[0].idle_ns, kMs);
  EXPECT_EQ(timelines[0].lanes[0].held_ns, 3 * kMs);
}

TEST(LeaseTimelineTest, AWaitOnAFreeXpuIsThrottlingOnlyWhenAllWaitersHaveALimit) {
  const std::vector<LeaseChange> changes = {At(0, "a", "want"), At(5 * kMs, "a", "grant")};
  const auto limited = BuildTimelines(changes, {Slice("a", 10, 10)}, 0, 6 * kMs);
  EXPECT_EQ(limited[0].time_ns.at(XpuState::kThrottled), 5 * kMs);
  const auto unlimited = BuildTimelines(changes, {Slice("a", 10)}, 0, 6 * kMs);
  EXPECT_EQ(unlimited[0].time_ns.at(XpuState::kHandOver), 5 * kMs);
}

TEST(LeaseTimelineTest, AWantDuringALeaseIsAWaitAfterIt) {
  const auto timelines = BuildTimelines({At(0, "a", "grant"), At(kMs, "a", "revoke"), At(kMs, "a", "want"),
                                         At(2 * kMs, "a", "return"), At(3 * kMs, "a", "grant")},
                                        {Slice("a", 30)}, 0, 4 * kMs);
  EXPECT_EQ(timelines[0].lanes[0].waited_ns, kMs);
  EXPECT_EQ(timelines[0].lanes[0].longest_wait_ns, kMs);
}

TEST(LeaseTimelineTest, DeathEndsHoldingAndWaiting) {
  const auto timelines =
      BuildTimelines({At(0, "a", "grant"), At(0, "a", "want"), At(kMs, "a", "died")}, {Slice("a", 30)}, 0, 4 * kMs);
  EXPECT_EQ(timelines[0].lanes[0].held_ns, kMs);
  EXPECT_EQ(timelines[0].lanes[0].waited_ns, 0);
}

TEST(LeaseTimelineTest, UnknownSlicesAndStrayTimesDoNotBreakIt) {
  const auto timelines = BuildTimelines({At(-5 * kMs, "ghost", "grant"),
                                         At(50 * kMs, "ghost", "return"),
                                         At(kMs, "ghost", "a new kind"),
                                         {kMs, "xpu9", "other", "grant"}},
                                        {Slice("a", 30)}, 0, 10 * kMs);
  ASSERT_EQ(timelines.size(), 2u);
  EXPECT_EQ(timelines[0].lanes[1].slice.name, "ghost");
  EXPECT_EQ(timelines[0].lanes[1].held_ns, 10 * kMs);
  EXPECT_EQ(timelines[1].xpu_id, "xpu9");
}

TEST(LeaseTimelineTest, SpansCoverTheRecordingWithoutGaps) {
  const auto timelines = BuildTimelines({At(kMs, "a", "want"), At(2 * kMs, "a", "grant"), At(3 * kMs, "a", "idle"),
                                         At(4 * kMs, "a", "busy"), At(5 * kMs, "a", "return")},
                                        {Slice("a", 30), Slice("b", 30)}, 0, 10 * kMs);
  for (const SliceLane& lane : timelines[0].lanes) {
    int64_t at = 0;
    for (const auto& span : lane.spans) {
      EXPECT_EQ(span.from_ns, at);
      at = span.to_ns;
    }
    EXPECT_EQ(at, 10 * kMs);
  }
  int64_t total = 0;
  for (const auto& [state, time_ns] : timelines[0].time_ns) total += time_ns;
  EXPECT_EQ(total, 10 * kMs);
}

TEST(LeaseTimelineTest, QuantilesAreOfMeasuredHandOvers) {
  XpuTimeline timeline;
  EXPECT_EQ(timeline.HandOverQuantile(0.5), 0);
  timeline.hand_overs_ns = {10, 20, 30, 40};
  EXPECT_EQ(timeline.HandOverQuantile(0.5), 20);
  EXPECT_EQ(timeline.HandOverQuantile(0.99), 40);
}

}  // namespace
}  // namespace xpool::cli
