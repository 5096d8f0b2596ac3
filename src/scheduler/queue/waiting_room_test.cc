#include "scheduler/queue/waiting_room.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xpool::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class WaitingRoomTest : public ::testing::Test {
 protected:
  std::optional<UnitId> Next() {
    return room_.TakeNext(order_, 0, [](const std::string&) { return int64_t{0}; });
  }
  std::vector<UnitId> Woken(absl::FunctionRef<bool(const Want&)> helps) {
    std::vector<UnitId> woken;
    room_.WakeWants(helps, &woken);
    return woken;
  }

  WaitingRoom room_;
  PriorityOrder order_;
  const Want cpu_{{.cpu_milli = 1000}, ""}, more_cpu_{{.cpu_milli = 2000}, ""};
};

TEST_F(WaitingRoomTest, PriorityThenArrivalOverAllQueues) {
  room_.Add(1, {.queue = "a"});
  room_.Add(2, {.queue = "b", .priority = 5});
  room_.Add(3, {.queue = "a", .priority = 5});
  EXPECT_EQ(Next(), 2u);
  EXPECT_EQ(Next(), 3u);
  EXPECT_EQ(Next(), 1u);
  EXPECT_EQ(Next(), std::nullopt);
  EXPECT_EQ(room_.size(), 3u);
}

TEST_F(WaitingRoomTest, FirstOfEachWantIsWoken) {
  for (const UnitId unit : {1u, 2u, 3u}) room_.Add(unit, {});
  while (Next().has_value()) {
  }
  room_.Block(2, {cpu_});
  room_.Block(1, {cpu_, more_cpu_});
  room_.Block(3, {more_cpu_});
  EXPECT_EQ(room_.wants(), 2u);
  EXPECT_THAT(Woken([&](const Want& want) { return want == cpu_; }), ElementsAre(1));
  EXPECT_THAT(Woken([&](const Want& want) { return want == more_cpu_; }), ElementsAre(3));  // 1 is awake
  std::vector<UnitId> woken;
  room_.WakeNextLike({cpu_}, &woken);
  EXPECT_THAT(woken, ElementsAre(2));
  EXPECT_EQ(room_.wants(), 0u);
}

TEST_F(WaitingRoomTest, KeepsItsTurnWhenItIsBlocked) {
  room_.Add(1, {});
  room_.Add(2, {});
  Next();
  room_.Block(1, {cpu_});
  Woken([](const Want&) { return true; });
  EXPECT_EQ(Next(), 1u);
}

TEST_F(WaitingRoomTest, WhoSitsOutIsBackInTime) {
  room_.Add(1, {});
  room_.SitOut(1, 100);
  EXPECT_EQ(Next(), std::nullopt);
  EXPECT_EQ(room_.next_due_ns(), 100);
  std::vector<UnitId> woken;
  room_.WakeDue(99, &woken);
  EXPECT_THAT(woken, IsEmpty());
  room_.WakeDue(100, &woken);
  EXPECT_THAT(woken, ElementsAre(1));
  EXPECT_EQ(room_.next_due_ns(), std::nullopt);
}

TEST_F(WaitingRoomTest, RemovedUnitLeavesNothingBehind) {
  for (const UnitId unit : {1u, 2u, 3u, 4u}) room_.Add(unit, {.queue = "q"});
  room_.Block(1, {cpu_, cpu_});
  room_.BlockForQuota(2);
  room_.SitOut(3, 5);
  for (const UnitId unit : {1u, 2u, 3u, 4u}) room_.Remove(unit);
  EXPECT_EQ(room_.size(), 0u);
  EXPECT_EQ(room_.ready(), 0u);
  EXPECT_EQ(room_.wants(), 0u);
  EXPECT_EQ(room_.next_due_ns(), std::nullopt);
  std::vector<UnitId> woken;
  room_.WakeQueue("q", &woken);
  EXPECT_THAT(woken, IsEmpty());
}

}  // namespace
}  // namespace xpool::scheduler
