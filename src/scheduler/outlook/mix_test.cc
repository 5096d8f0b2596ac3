#include "scheduler/outlook/mix.h"

#include <gtest/gtest.h>

namespace xpool::scheduler {
namespace {

TEST(MixTest, TypesAreCountedInTheOrderOfTheirFirstPod) {
  const Mix mix = MixOf(std::vector<Demand>{{.cpu_milli = 2}, {.cpu_milli = 1}, {.cpu_milli = 2}});
  ASSERT_EQ(mix.types.size(), 2u);
  EXPECT_EQ(mix.types[0].demand.cpu_milli, 2);
  EXPECT_EQ(mix.types[0].count, 2);
  EXPECT_EQ(mix.count(), 3);
}

TEST(MixTest, TypicalTypesCoverAsMuchAsAskedFor) {
  const Mix mix{{{{.cpu_milli = 1}, 5}, {{.cpu_milli = 2}, 80}, {{.cpu_milli = 3}, 15}}};
  EXPECT_EQ(TypicalOf(mix, 0.8).types.size(), 1u);
  const Mix typical = TypicalOf(mix, 0.81);
  ASSERT_EQ(typical.types.size(), 2u);
  EXPECT_EQ(typical.types[1].demand.cpu_milli, 3);
}

TEST(MixTest, AmongEquallyFrequentTypesTheFirstIsTypical) {
  const Mix mix{{{{.cpu_milli = 9}, 1}, {{.cpu_milli = 1}, 1}}};
  EXPECT_EQ(TypicalOf(mix, 0.5).types[0].demand.cpu_milli, 9);
  EXPECT_TRUE(TypicalOf({}, 0.95).types.empty());
}

TEST(MixTest, SaysWhetherMemoryOfCardsIsAskedFor) {
  const Mix without{{{{.memory_bytes = 1, .cards = {{.count = 1, .compute = Share::Full()}}}, 1}}};
  EXPECT_FALSE(without.AsksForMemoryOfCards());
  Mix with = without;
  with.types.push_back({{.cards = {{.count = 1}, {.count = 1, .memory_bytes = 1}}}, 1});
  EXPECT_TRUE(with.AsksForMemoryOfCards());
}

}  // namespace
}  // namespace xpool::scheduler
