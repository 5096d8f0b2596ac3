#include "scheduler/outlook/balance.h"

#include <gtest/gtest.h>

namespace xpool::scheduler {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

Mix Asking(int64_t cpu_milli, int milli, uint64_t bytes) {
  return {{{{.cpu_milli = cpu_milli,
             .cards = {{.count = 1, .compute = Share::FromBasisPoints(milli * 10), .memory_bytes = bytes}}},
            1}}};
}

std::vector<NodeGroup> Nodes(int64_t cpu_milli, int cards, uint64_t bytes) {
  NodeState node;
  node.cpu_milli = cpu_milli;
  for (int i = 0; i < cards; ++i) node.AddCard({.idle_bytes = bytes});
  return {{node, 10}};
}

TEST(BalanceTest, CardsCountWhenTheyRunOutFirst) {
  const Balance balance = BalanceOf(Asking(4000, 500, kGiB), Nodes(96'000, 8, 16 * kGiB));
  EXPECT_EQ(balance.card, 1);
  EXPECT_EQ(balance.core, 0);
  EXPECT_EQ(balance.card_gib, 0);
}

TEST(BalanceTest, CoresCountWhenTheyDo) {
  const Balance balance = BalanceOf(Asking(10'000, 500, kGiB), Nodes(96'000, 8, 16 * kGiB));
  EXPECT_EQ(balance.card, 0);
  EXPECT_DOUBLE_EQ(balance.core, 0.05);  // ten of them come with half a card
}

TEST(BalanceTest, MemoryOfCardsCountsWhenItDoes) {
  const Balance balance = BalanceOf(Asking(1000, 250, 8 * kGiB), Nodes(96'000, 8, 16 * kGiB));
  EXPECT_EQ(balance.card, 0);
  EXPECT_EQ(balance.core, 0);
  EXPECT_DOUBLE_EQ(balance.card_gib, 0.25 / 8);
}

TEST(BalanceTest, ChangesGraduallyInBetween) {
  const Balance balance = BalanceOf(Asking(6300, 500, 0), Nodes(96'000, 8, kGiB));  // 5 % more of cores than of cards
  EXPECT_NEAR(balance.card, 0.5, 1e-9);
  EXPECT_NEAR(balance.core, 0.5 * 0.5 / 6.3, 1e-9);
}

TEST(BalanceTest, WithoutCardsNothingElseCounts) {
  EXPECT_EQ(BalanceOf({}, Nodes(96'000, 8, kGiB)).card, 1);
  EXPECT_EQ(BalanceOf(Asking(1000, 500, 0), {}).card, 1);
}

}  // namespace
}  // namespace xpool::scheduler
