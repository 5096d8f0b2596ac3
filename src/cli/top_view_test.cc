#include "cli/top_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/clock.h"

namespace xpool::cli {
namespace {

void Add(v1::ListSlicesResponse& reading, const std::string& name, int64_t contended_ns, int64_t held_ns,
         uint64_t commands) {
  v1::Slice& slice = *reading.add_slices();
  slice.set_id(name);
  slice.set_name(name);
  slice.set_xpu_id("xpu0");
  slice.mutable_usage()->set_contended_ns(contended_ns);
  slice.mutable_usage()->set_held_ns(held_ns);
  slice.mutable_usage()->set_commands(commands);
}

TEST(TopViewTest, SharesAreOfTheContendedTimeInTheInterval) {
  v1::ListSlicesResponse before, after;
  before.set_at_ns(0);
  after.set_at_ns(2 * kNsPerSec);
  Add(before, "b", 500 * kNsPerMs, 1 * kNsPerSec, 100);
  Add(after, "b", 1'200 * kNsPerMs, 2 * kNsPerSec, 300);
  Add(before, "a", 0, 0, 0);
  Add(after, "a", 300 * kNsPerMs, 300 * kNsPerMs, 10);
  const auto rows = CompareReadings(before, after);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].slice.name(), "a");
  EXPECT_NEAR(rows[0].charged, 0.3, 1e-9);
  EXPECT_NEAR(rows[1].charged, 0.7, 1e-9);
  EXPECT_NEAR(rows[1].held, 0.5, 1e-9);
  EXPECT_NEAR(rows[1].commands_per_s, 100, 1e-9);
}

TEST(TopViewTest, WithoutContentionThereIsNoChargedShare) {
  v1::ListSlicesResponse before, after;
  after.set_at_ns(kNsPerSec);
  Add(before, "a", 5, 0, 0);
  Add(after, "a", 5, kNsPerSec, 0);
  const auto rows = CompareReadings(before, after);
  EXPECT_TRUE(std::isnan(rows[0].charged));
  EXPECT_NEAR(rows[0].held, 1.0, 1e-9);
  EXPECT_TRUE(TopJson(rows, kNsPerSec)["slices"][0]["charged_share"].is_null());
}

TEST(TopViewTest, CountersOfARestartedAgentGiveZeroNotNonsense) {
  v1::ListSlicesResponse before, after;
  after.set_at_ns(kNsPerSec);
  Add(before, "a", 500, 500, 500);
  Add(after, "a", 10, 10, 10);
  const auto rows = CompareReadings(before, after);
  EXPECT_EQ(rows[0].held, 0);
  EXPECT_EQ(rows[0].commands_per_s, 0);
}

TEST(TopViewTest, ASliceThatIsNewCountsFromZero) {
  v1::ListSlicesResponse before, after;
  after.set_at_ns(kNsPerSec);
  Add(after, "new", 0, kNsPerSec / 4, 7);
  EXPECT_NEAR(CompareReadings(before, after)[0].held, 0.25, 1e-9);
}

}  // namespace
}  // namespace xpool::cli
