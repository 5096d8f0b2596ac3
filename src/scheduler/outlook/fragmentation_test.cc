#include "scheduler/outlook/fragmentation.h"

#include <gtest/gtest.h>

#include <random>

namespace xpool::scheduler {
namespace {

Demand Pod(int64_t cpu_milli, int cards, int milli, ModelSet models = kAnyModel) {
  Demand demand{.cpu_milli = cpu_milli};
  if (cards > 0) {
    demand.cards = {
        {.count = static_cast<uint8_t>(cards), .compute = Share::FromBasisPoints(milli * 10), .models = models}};
  }
  return demand;
}

NodeState Node(int64_t cpu_milli, const std::vector<int>& idle_milli, uint8_t model = 0) {
  NodeState node;
  node.cpu_milli = cpu_milli;
  for (const int milli : idle_milli) node.AddCard({.idle = static_cast<uint16_t>(milli * 10), .model = model});
  return node;
}

TEST(FragmentationTest, AllIsLostOnWhoCannotBePlaced) {
  const NodeState node = Node(1000, {1000, 400});
  EXPECT_EQ(Fragmentation({{{Pod(1001, 1, 100), 1}}}).Of(node), 1400);     // CPU
  EXPECT_EQ(Fragmentation({{{Pod(0, 2, 1000), 1}}}).Of(node), 1400);       // cards
  EXPECT_EQ(Fragmentation({{{Pod(0, 1, 100, 0b10), 1}}}).Of(node), 1400);  // model
  EXPECT_EQ(Fragmentation({{{Pod(10, 0, 0), 1}}}).Of(node), 1400);         // needs none
}

TEST(FragmentationTest, WhoCanBePlacedLosesTheCardsThatAreTooFull) {
  EXPECT_EQ(Fragmentation({{{Pod(0, 1, 500), 1}}}).Of(Node(0, {1000, 400, 300})), 700);
  EXPECT_EQ(Fragmentation({{{Pod(0, 1, 300), 1}}}).Of(Node(0, {1000, 400, 300})), 0);
}

TEST(FragmentationTest, TypesCountByTheirPods) {
  const Fragmentation fragmentation({{{Pod(0, 1, 500), 3}, {Pod(0, 0, 0), 1}}});
  EXPECT_DOUBLE_EQ(fragmentation.Of(Node(0, {1000, 400})), 0.75 * 400 + 0.25 * 1400);
}

TEST(FragmentationTest, FullNodeHasNone) { EXPECT_EQ(Fragmentation({{{Pod(0, 1, 500), 1}}}).Of(Node(0, {0, 0})), 0); }

TEST(FragmentationTest, RareTypesAreNotLookedAt) {
  Mix mix;
  mix.types = {{Pod(0, 1, 1000), 5}, {Pod(0, 1, 100), 96}};
  EXPECT_EQ(Fragmentation(mix).Of(Node(0, {500})), 0);
}

}  // namespace
}  // namespace xpool::scheduler
