#include "scheduler/pool/placer.h"

#include <gtest/gtest.h>

#include <random>

namespace xpool::scheduler {
namespace {

Demand Pod(int64_t cpu_milli, int cards, int milli) {
  return {.cpu_milli = cpu_milli,
          .cards = {{.count = static_cast<uint8_t>(cards), .compute = Share::FromBasisPoints(milli * 10)}}};
}

NodeState Node(int64_t cpu_milli, int cards) {
  NodeState node;
  node.cpu_milli = cpu_milli;
  for (int i = 0; i < cards; ++i) node.AddCard({});
  return node;
}

// What Best() must say, by looking at every node anew.
std::optional<Choice> BestByLooking(const Policy& policy, const Demand& demand, const NodeTable& nodes) {
  std::optional<Choice> best;
  for (NodeIndex node = 0; node < nodes.size(); ++node) {
    const std::optional<Option> option = BestOption(policy, demand, nodes[node]);
    if (option.has_value() && (!best.has_value() || option->score > best->score))
      best = Choice{.node = node, .cards = option->cards, .score = option->score};
  }
  return best;
}

class PlacerPolicyTest : public testing::TestWithParam<const char*> {};

TEST_P(PlacerPolicyTest, AlwaysSaysWhatLookingAtEveryNodeAnewSays) {
  const std::vector<Demand> kinds = {
      Pod(4000, 1, 300), Pod(2000, 1, 500), Pod(8000, 1, 1000), Pod(9000, 2, 1000), {.cpu_milli = 6000}};
  std::vector<NodeState> empty;
  for (int i = 0; i < 150; ++i) empty.push_back(Node(10'000 + 1000 * (i % 7), i % 5));
  const std::vector<NodeGroup> groups = GroupNodes(empty);
  Mix mix;
  for (size_t i = 0; i < kinds.size(); ++i) mix.types.push_back({kinds[i], static_cast<int64_t>(10 + i)});
  const std::unique_ptr<Policy> policy = MakePolicy(GetParam(), {mix, groups}).value();
  NodeTable nodes;
  for (const NodeState& node : empty) nodes.Add(node);
  Placer placer(policy.get());
  struct Pod {
    size_t kind;
    Choice choice;
  };
  std::vector<Pod> placed;
  std::mt19937 random(11);
  int refused = 0;
  for (int step = 0; step < 2000; ++step) {
    if (step % 100 == 0) policy->Observe(nodes, {});
    if (step > 500 && random() % 2 == 0 && !placed.empty()) {
      std::swap(placed[random() % placed.size()], placed.back());
      const auto& [kind, choice] = placed.back();
      NodeState node = nodes[choice.node];
      node.Give(kinds[kind], choice.cards);
      nodes.Set(choice.node, node);
      placed.pop_back();
      continue;
    }
    const size_t kind = random() % kinds.size();
    const std::optional<Choice> best = placer.Place(nodes, kinds[kind]),
                                expected = BestByLooking(*policy, kinds[kind], nodes);
    ASSERT_EQ(best.has_value(), expected.has_value()) << "step " << step;
    if (!best.has_value()) {
      ++refused;
      continue;
    }
    ASSERT_EQ(best->node, expected->node) << "step " << step;
    ASSERT_EQ(best->score, expected->score);
    ASSERT_EQ(best->cards, expected->cards);
    NodeState node = nodes[best->node];
    node.Take(kinds[kind], best->cards);
    nodes.Set(best->node, node);
    placed.push_back({kind, *best});
  }
  EXPECT_GT(refused, 10);
}

INSTANTIATE_TEST_SUITE_P(Policies, PlacerPolicyTest,
                         testing::Values("bestfit", "packing", "clustering", "dotprod", "fgd", "random", "spread",
                                         "xpool"),
                         [](const auto& info) { return info.param; });

TEST(PlacerTest, MemoryOfANodeDoesNotMakeAKind) {
  const std::unique_ptr<Policy> policy = MakePolicy("bestfit", {}).value();
  NodeTable nodes;
  NodeState small = Node(8000, 1), large = Node(9000, 1);
  small.memory_bytes = 10;
  large.memory_bytes = 1000;
  nodes.Add(small);
  nodes.Add(large);
  Placer placer(policy.get());
  Demand pod = Pod(1000, 1, 500);
  pod.memory_bytes = 10;
  EXPECT_EQ(placer.Place(nodes, pod)->node, 0u);
  pod.memory_bytes = 11;
  EXPECT_EQ(placer.Place(nodes, pod)->node, 1u);
  pod.memory_bytes = 1001;
  EXPECT_FALSE(placer.Place(nodes, pod).has_value());
  EXPECT_EQ(placer.kinds(), 1u);
}

TEST(PlacerTest, WhoIsNotAcceptedIsPassedOver) {
  const std::unique_ptr<Policy> policy = MakePolicy("bestfit", {}).value();
  NodeTable nodes;
  for (int i = 0; i < 200; ++i) nodes.Add(Node(100'000 + i, 1));
  Placer placer(policy.get());
  const std::optional<Choice> choice =
      placer.Place(nodes, Pod(1000, 1, 500), [](NodeIndex node) { return node == 7 || node == 150 || node == 151; });
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->node, 7u);
  EXPECT_EQ(choice->runner_up->node, 150u);
  EXPECT_FALSE(placer.Place(nodes, Pod(1000, 1, 500), [](NodeIndex) { return false; }).has_value());
}

TEST(PlacerTest, RemembersNoMoreKindsThanItMay) {
  const std::unique_ptr<Policy> policy = MakePolicy("bestfit", {}).value();
  NodeTable nodes;
  nodes.Add(Node(100'000, 4));
  Placer placer(policy.get(), 16);
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(placer.Place(nodes, Pod(1000 + i, 1, 500)).has_value());
    EXPECT_LE(placer.kinds(), 16u);
  }
}

}  // namespace
}  // namespace xpool::scheduler
