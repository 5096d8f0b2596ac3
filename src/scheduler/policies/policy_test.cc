#include "scheduler/policies/policy.h"

#include <gtest/gtest.h>

#include "scheduler/policies/xpool.h"

namespace xpool::scheduler {
namespace {

Demand Pod(int64_t cpu_milli, int cards, int milli) {
  return {.cpu_milli = cpu_milli,
          .cards = {{.count = static_cast<uint8_t>(cards), .compute = Share::FromBasisPoints(milli * 10)}}};
}

NodeState Node(int64_t cpu_milli, const std::vector<int>& idle_milli) {
  NodeState node;
  node.cpu_milli = cpu_milli;
  for (const int milli : idle_milli) node.AddCard({.idle = static_cast<uint16_t>(milli * 10)});
  return node;
}

TEST(PolicyTest, UnknownPolicyIsRefusedWithAllNames) {
  const absl::Status status = MakePolicy("best", {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "there is no policy \"best\"; there are bestfit, clustering, dotprod, fgd, packing, random, spread, xpool");
}

TEST(PolicyTest, OptionsAreChecked) {
  EXPECT_TRUE(MakePolicy("xpool:lookahead=0.2:steps=30", {}).ok());
  EXPECT_EQ(MakePolicy("xpool:lookahead", {}).status().message(),
            "policy \"xpool:lookahead\": \"lookahead\" is not OPTION=NUMBER, such as lookahead=0.5");
  EXPECT_EQ(MakePolicy("xpool:lookahead=nan", {}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MakePolicy("xpool:steps=0", {}).status().message(),
            "policy xpool: steps is 0, and must be from 1 to 10000");
  EXPECT_EQ(MakePolicy("fgd:steps=1", {}).status().message(), "policy fgd has no options");
  EXPECT_EQ(MakePolicy("xpool:foo=1", {}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(PolicyTest, SpreadLikesTheEmptiestCardOfTheEmptiestNode) {
  const std::unique_ptr<Policy> policy = MakePolicy("spread", {}).value();
  const Demand pod = Pod(1000, 1, 200);
  const std::optional<Option> one = BestOption(*policy, pod, Node(64'000, {300, 900, 500})),
                              other = BestOption(*policy, pod, Node(64'000, {1000, 900, 500}));
  EXPECT_EQ(one->cards[0], 0b010);
  EXPECT_GT(other->score, one->score);
}

TEST(PolicyTest, RandomHasNoPreferenceForRoom) {
  const std::unique_ptr<Policy> policy = MakePolicy("random", {}).value();
  int fuller = 0;
  for (int i = 0; i < 1000; ++i) {
    const Demand pod = Pod(1000 + i, 1, 200);
    fuller +=
        BestOption(*policy, pod, Node(9'000, {300}))->score > BestOption(*policy, pod, Node(64'000, {1000}))->score;
  }
  EXPECT_GT(fuller, 400);
  EXPECT_LT(fuller, 600);
}

TEST(PolicyTest, PartsOfXpoolsScoreMakeItUp) {
  const Mix mix{{{Pod(4000, 1, 300), 30}, {Pod(8000, 1, 1000), 20}, {Pod(16'000, 4, 1000), 1}}};
  std::vector<NodeState> nodes(20, Node(64'000, {1000, 1000, 1000, 1000}));
  Xpool policy({mix, GroupNodes(nodes)});
  NodeTable table;
  for (const NodeState& node : nodes) table.Add(node);
  const NodeState before = Node(20'000, {1000, 600, 1000, 1000});
  const Demand pod = Pod(4000, 1, 300);
  double costs[2];
  for (const int turnover : {0, 1}) {
    policy.Observe(table, {.running = 100, .turnover = static_cast<double>(turnover)});
    const std::optional<Option> option = BestOption(policy, pod, before);
    NodeState after = before;
    after.Take(pod, option->cards);
    costs[turnover] = 0;
    for (const ScorePart& part : policy.Explain(pod, before, after)) costs[turnover] += part.value;
    EXPECT_EQ(option->score,
              static_cast<int32_t>(XpoolOptions().steps / (1 + std::exp(std::round(costs[turnover] * 128) / 128))));
  }
  EXPECT_NE(costs[0], costs[1]);
}

}  // namespace
}  // namespace xpool::scheduler
