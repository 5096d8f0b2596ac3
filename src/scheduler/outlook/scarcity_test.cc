#include "scheduler/outlook/scarcity.h"

#include <gtest/gtest.h>

namespace xpool::scheduler {
namespace {

Demand Whole(int cards, ModelSet models = kAnyModel) {
  return {.cpu_milli = 1000,
          .cards = {{.count = static_cast<uint8_t>(cards), .compute = Share::Full(), .models = models}}};
}

NodeState Node(int cards, uint8_t model = 0, int64_t cpu_milli = 64'000) {
  NodeState node;
  node.cpu_milli = cpu_milli;
  for (int i = 0; i < cards; ++i) node.AddCard({.model = model});
  return node;
}

// One in a hundred pods needs eight cards.
const Mix kMix{{{Whole(1), 99}, {Whole(8), 1}}};

TEST(ScarcityTest, PlacesAreWorthNothingWhileThereAreMany) {
  Scarcity scarcity(kMix);
  NodeTable nodes;
  for (int i = 0; i < 100; ++i) nodes.Add(Node(8));
  EXPECT_FALSE(scarcity.Observe(nodes));
  EXPECT_EQ(scarcity.WorthOf(nodes[0]), 0);
}

TEST(ScarcityTest, LastPlaceIsWorthWhatAPodBrings) {
  Scarcity scarcity(kMix);
  NodeTable nodes;
  nodes.Add(Node(8));
  for (int i = 0; i < 200; ++i) nodes.Add(Node(4));
  EXPECT_TRUE(scarcity.Observe(nodes));
  EXPECT_GT(scarcity.WorthOf(nodes[0]), 7.9);
  EXPECT_LE(scarcity.WorthOf(nodes[0]), 8);
  EXPECT_EQ(scarcity.WorthOf(nodes[1]), 0);  // it is no such place
}

TEST(ScarcityTest, NodeWithoutCpuIsNoPlace) {
  Scarcity scarcity(kMix);
  NodeTable nodes;
  nodes.Add(Node(8));
  for (int i = 0; i < 200; ++i) nodes.Add(Node(4));
  scarcity.Observe(nodes);
  EXPECT_EQ(scarcity.WorthOf(Node(8, 0, 999)), 0);
}

TEST(ScarcityTest, PlacesOfAModelThatSomeNeedAreLookedAfter) {
  Scarcity scarcity({{{Whole(1), 50}, {Whole(1, 0b10), 50}}});
  NodeTable nodes;
  for (int i = 0; i < 50; ++i) nodes.Add(Node(1, i % 2 == 0));
  scarcity.Observe(nodes);
  EXPECT_GT(scarcity.WorthOf(Node(1, 1)), 0.5);
  EXPECT_EQ(scarcity.WorthOf(Node(1, 0)), 0);
}

TEST(ScarcityTest, WorthsStayUntilTheyChangeNotably) {
  Scarcity scarcity(kMix, {.margin = 2});
  NodeTable nodes;
  nodes.Add(Node(8));
  for (int i = 0; i < 200; ++i) nodes.Add(Node(4));
  EXPECT_TRUE(scarcity.Observe(nodes));
  EXPECT_FALSE(scarcity.Observe(nodes));
  for (NodeIndex i = 1; i < nodes.size(); ++i) nodes.Set(i, Node(0));
  EXPECT_TRUE(scarcity.Observe(nodes));  // hardly anybody will come any more
  EXPECT_LT(scarcity.WorthOf(nodes[0]), 7.9);
}

TEST(ScarcityTest, WherePodsComeForOthersPlacesAreLookedAfterSooner) {
  Scarcity scarcity(kMix);
  NodeTable nodes;
  for (int i = 0; i < 20; ++i) nodes.Add(Node(8));
  EXPECT_FALSE(scarcity.Observe(nodes, {.running = 10'000, .turnover = 0}));
  EXPECT_TRUE(scarcity.Observe(nodes, {.running = 10'000, .turnover = 1}));  // a hundred of them need eight cards
  EXPECT_GT(scarcity.WorthOf(nodes[0]), 7);
}

}  // namespace
}  // namespace xpool::scheduler
