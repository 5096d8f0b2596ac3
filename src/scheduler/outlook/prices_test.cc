#include "scheduler/outlook/prices.h"

#include <gtest/gtest.h>

namespace xpool::scheduler {
namespace {

Demand Pod(int64_t cpu_milli, ModelSet models) {
  return {.cpu_milli = cpu_milli, .cards = {{.count = 1, .compute = Share::Full(), .models = models}}};
}

std::vector<NodeGroup> Groups(int64_t cpu_milli) {
  std::vector<NodeState> nodes(20);
  for (size_t i = 0; i < nodes.size(); ++i) {
    nodes[i].cpu_milli = cpu_milli;
    nodes[i].AddCard({.model = static_cast<uint8_t>(i % 2)});
  }
  return GroupNodes(nodes);
}

TEST(PoolGroupsTest, NodesAreAlikeByCardsAndCapacity) {
  std::vector<NodeState> nodes(3);
  nodes[0].cpu_milli = nodes[2].cpu_milli = 5;
  const std::vector<NodeGroup> groups = GroupNodes(nodes);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].nodes, 2);
  EXPECT_EQ(nodes[2].group, 0);
  EXPECT_EQ(nodes[1].group, 1);
}

TEST(PricesTest, CardsThatSomeCannotDoWithoutCostMore) {
  // Half of the pods could go anywhere, the others only to one model, of which there is half.
  const Prices prices({{{Pod(100, kAnyModel), 1}, {Pod(100, 0b01), 1}}}, Groups(10'000));
  EXPECT_GT(prices.card(0), prices.card(1) + 0.05);
  EXPECT_NEAR(prices.core(0), 0, 1e-9);
}

TEST(PricesTest, WhatThereIsPlentyOfCostsNothing) {
  const Prices prices({{{Pod(100, kAnyModel), 1}}}, Groups(10'000), {.fill = 0.5});
  EXPECT_NEAR(prices.card(0), 0, 1e-9);
  EXPECT_NEAR(prices.card(1), 0, 1e-9);
}

TEST(PricesTest, ScarceCpuHasAPrice) {
  const Prices prices({{{Pod(3000, kAnyModel), 1}}}, Groups(1'000), {.fill = 0.5});
  EXPECT_EQ(prices.core(0), 0);  // no such pod fits anywhere
  const Prices fitting({{{Pod(1000, kAnyModel), 2}, {{.cpu_milli = 1000}, 1}}}, Groups(1'000));
  EXPECT_GT(fitting.core(0), 0.001);
}

}  // namespace
}  // namespace xpool::scheduler
