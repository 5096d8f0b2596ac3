#include "shim/opencl/command_order.h"

#include <gtest/gtest.h>

#include <vector>

namespace xpool::cl {
namespace {

struct Fake {
  bool ready = true;
  Ordering ordering;
};

constexpr Ordering kMarkerOfAll{.after_all_earlier = true};
constexpr Ordering kBarrierOfAll{.after_all_earlier = true, .before_all_later = true};
constexpr Ordering kBarrierOfList{.before_all_later = true};

std::optional<size_t> Next(const std::vector<Fake>& commands, bool out_of_order) {
  return NextForwardable(
      commands, out_of_order, [](const Fake& c) { return c.ready; }, [](const Fake& c) { return c.ordering; });
}

TEST(NextForwardable, NothingComesFromAnEmptyQueue) {
  EXPECT_EQ(Next({}, false), std::nullopt);
  EXPECT_EQ(Next({}, true), std::nullopt);
}

TEST(NextForwardable, AnInOrderQueueWaitsForItsHead) {
  EXPECT_EQ(Next({{.ready = false}, {.ready = true}}, false), std::nullopt);
  EXPECT_EQ(Next({{.ready = true}, {.ready = true}}, false), 0u);
}

TEST(NextForwardable, AnOutOfOrderQueueSkipsWhatIsNotReady) {
  EXPECT_EQ(Next({{.ready = false}, {.ready = true}}, true), 1u);
}

TEST(NextForwardable, ABarrierHoldsBackWhatComesAfterIt) {
  EXPECT_EQ(Next({{.ready = false}, {.ready = true, .ordering = kBarrierOfAll}, {.ready = true}}, true), std::nullopt);
  EXPECT_EQ(Next({{.ready = false, .ordering = kBarrierOfList}, {.ready = true}}, true), std::nullopt);
}

TEST(NextForwardable, ABarrierWithAReadyWaitListGoesBeforeEarlierCommands) {
  EXPECT_EQ(Next({{.ready = false}, {.ready = true, .ordering = kBarrierOfList}}, true), 1u);
}

TEST(NextForwardable, AMarkerOfAllWaitsButHoldsNothingBack) {
  EXPECT_EQ(Next({{.ready = false}, {.ready = true, .ordering = kMarkerOfAll}, {.ready = true}}, true), 2u);
  EXPECT_EQ(Next({{.ready = true, .ordering = kMarkerOfAll}}, true), 0u);
}

}  // namespace
}  // namespace xpool::cl
