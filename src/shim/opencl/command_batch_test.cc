#include "shim/opencl/command_batch.h"

#include <gtest/gtest.h>

namespace xpool::cl {
namespace {

TEST(BatchTracker, CompletingAMarkCoversAllBeforeIt) {
  BatchTracker tracker;
  tracker.Forwarded(10);
  const Mark second = tracker.Forwarded(20);
  tracker.Forwarded(40);
  const Mark done = tracker.CompleteThrough(second);
  EXPECT_EQ(done.commands, 2u);
  EXPECT_EQ(done.estimate_ns, 30);
  EXPECT_FALSE(tracker.AllComplete());
}

TEST(BatchTracker, CompletingTheSameOrAnOlderMarkDoesNothing) {
  BatchTracker tracker;
  const Mark first = tracker.Forwarded(10);
  const Mark second = tracker.Forwarded(20);
  EXPECT_EQ(tracker.CompleteThrough(second).commands, 2u);
  EXPECT_EQ(tracker.CompleteThrough(second).commands, 0u);
  EXPECT_EQ(tracker.CompleteThrough(first).commands, 0u);
  EXPECT_TRUE(tracker.AllComplete());
}

TEST(BatchTracker, LastIsTheMarkBehindAllForwarded) {
  BatchTracker tracker;
  tracker.Forwarded(5);
  tracker.Forwarded(7);
  EXPECT_EQ(tracker.Last().commands, 2u);
  EXPECT_EQ(tracker.Last().estimate_ns, 12);
}

TEST(DurationMeter, ALoneCommandOnAnIdleQueueTookSinceItWasForwarded) {
  DurationMeter meter;
  EXPECT_EQ(meter.BatchCompleted({{0, 0}, {1, 1000}, 1000, 5'000, false}, 7'500), 2'500);
}

TEST(DurationMeter, ABusyQueueCountsFromThePreviousCompletion) {
  DurationMeter meter;
  meter.BatchCompleted({{0, 0}, {1, 1000}, 1000, 5'000, true}, 10'000);
  // Forwarded at 6000, while the first was still running.
  EXPECT_EQ(meter.BatchCompleted({{1, 1000}, {2, 2000}, 1000, 6'000, true}, 13'000), 3'000);
}

TEST(DurationMeter, ABusyBatchScalesTheEstimateOfItsLastCommand) {
  DurationMeter meter;
  meter.BatchCompleted({{0, 0}, {1, 100}, 100, 1'000, true}, 10'000);
  // Three commands estimated at 100 each took 600 together.
  EXPECT_EQ(meter.BatchCompleted({{1, 100}, {4, 400}, 100, 9'000, true}, 10'600), 200);
}

TEST(DurationMeter, AnUnmeasuredCommandGetsWhatTheKnownOnesLeave) {
  DurationMeter meter;
  meter.BatchCompleted({{0, 0}, {1, 100}, 100, 1'000, true}, 10'000);
  // Two known commands of 100 each, then an unknown one assumed at 5000.
  EXPECT_EQ(meter.BatchCompleted({{1, 100}, {4, 5'300}, 5'000, 9'000, false}, 11'000), 800);
}

TEST(DurationMeter, AnIdleGapOnlyCorrectsEstimatesThatAreTooLong) {
  DurationMeter meter;
  meter.BatchCompleted({{0, 0}, {1, 100}, 100, 1'000, true}, 2'000);
  // The last command was forwarded long after: of the batch nothing exact is known.
  EXPECT_EQ(meter.BatchCompleted({{1, 100}, {3, 300}, 100, 50'000, true}, 50'400), std::nullopt);
  EXPECT_EQ(meter.BatchCompleted({{3, 300}, {5, 20'300}, 10'000, 90'000, true}, 90'400), 400);
}

TEST(DurationMeter, ACompletionThatALaterBatchHasCoveredTellsNothing) {
  DurationMeter meter;
  meter.BatchCompleted({{1, 100}, {2, 200}, 100, 1'000, true}, 3'000);
  EXPECT_EQ(meter.BatchCompleted({{0, 0}, {1, 100}, 100, 500, true}, 3'100), std::nullopt);
}

}  // namespace
}  // namespace xpool::cl
