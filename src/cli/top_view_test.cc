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
  EXPECT_TRUE(TopJson(rows, {}, kNsPerSec)["slices"][0]["charged_share"].is_null());
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

void AddClient(v1::ListSessionsResponse& reading, uint64_t id, uint64_t received_bytes, uint64_t calls) {
  v1::Session& session = *reading.add_sessions();
  session.set_id(id);
  session.set_program("train");
  session.set_slice_name("a");
  v1::RemoteClient& remote = *session.mutable_remote();
  remote.set_who("ada of 10.0.0.9");
  remote.set_received_bytes(received_bytes);
  remote.set_sent_bytes(received_bytes / 2);
  remote.set_calls(calls);
  remote.set_connections(3);
  remote.set_round_trip_ns(250 * kNsPerUs);
}

TEST(TopViewTest, ClientsOfOtherMachinesHaveRates) {
  v1::ListSessionsResponse before, after;
  before.add_sessions()->set_id(1);  // a local process
  AddClient(before, 2, 1000, 10);
  after.add_sessions()->set_id(1);
  AddClient(after, 2, 5000, 30);
  AddClient(after, 3, 600, 2);  // new
  const auto rows = CompareClients(before, after, 2 * kNsPerSec);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_NEAR(rows[0].received_per_s, 2000, 1e-9);
  EXPECT_NEAR(rows[0].sent_per_s, 1000, 1e-9);
  EXPECT_NEAR(rows[0].calls_per_s, 10, 1e-9);
  EXPECT_NEAR(rows[1].received_per_s, 300, 1e-9);
  EXPECT_THAT(ClientTable(rows), testing::HasSubstr("ada of 10.0.0.9  train    a      250.0 us"));
  EXPECT_EQ(TopJson({}, rows, kNsPerSec)["clients"][0]["connections"], 3);
}

TEST(TopViewTest, WithoutClientsThereIsNoTableOfThem) { EXPECT_EQ(ClientTable({}), ""); }

}  // namespace
}  // namespace xpool::cli
