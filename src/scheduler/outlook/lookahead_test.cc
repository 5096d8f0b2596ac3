#include "scheduler/outlook/lookahead.h"

#include <gtest/gtest.h>

namespace xpool::scheduler {
namespace {

Demand Pod(int64_t cpu_milli, int cards, int milli) {
  Demand demand{.cpu_milli = cpu_milli};
  if (cards > 0) demand.cards = {{.count = static_cast<uint8_t>(cards), .compute = Share::FromBasisPoints(milli * 10)}};
  return demand;
}

NodeState Node(int64_t cpu_milli, const std::vector<int>& idle_milli) {
  NodeState node;
  node.cpu_milli = cpu_milli;
  for (const int milli : idle_milli) node.AddCard({.idle = static_cast<uint16_t>(milli * 10)});
  return node;
}

double IdleMilli(const Lookahead& lookahead, const NodeState& node) { return lookahead.Of(node).cards * 1000; }

TEST(LookaheadTest, WhatWillBeFilledIsNotLost) {
  Lookahead lookahead({{{Pod(1000, 1, 500), 1}}});
  EXPECT_EQ(IdleMilli(lookahead, Node(100'000, {1000, 1000})), 0);
  EXPECT_EQ(IdleMilli(lookahead, Node(100'000, {0, 0})), 0);
}

TEST(LookaheadTest, WhatNobodyCanUseIs) {
  Lookahead lookahead({{{Pod(1000, 1, 500), 1}}});
  EXPECT_EQ(IdleMilli(lookahead, Node(100'000, {700, 400})), 200 + 400);
  EXPECT_EQ(IdleMilli(lookahead, Node(999, {700, 400})), 1100);  // CPU
}

TEST(LookaheadTest, CpuThatRunsOutStrandsCards) {
  Lookahead lookahead({{{Pod(1000, 1, 1000), 1}, {Pod(1000, 0, 0), 1}}});
  const double plenty = IdleMilli(lookahead, Node(100'000, {1000, 1000})),
               scarce = IdleMilli(lookahead, Node(2'000, {1000, 1000}));
  EXPECT_EQ(plenty, 0);
  EXPECT_GT(scarce, 500);
  EXPECT_LT(scarce, 1900);
}

TEST(LookaheadTest, OrderOfCardsDoesNotMatterAndDrawsAreFixed) {
  const Mix mix{{{Pod(1000, 1, 300), 3}, {Pod(2000, 2, 1000), 1}}};
  const Lookahead lookahead(mix), other(mix);
  const double value = IdleMilli(lookahead, Node(9'000, {200, 1000, 700}));
  EXPECT_EQ(IdleMilli(lookahead, Node(9'000, {1000, 700, 200})), value);
  EXPECT_EQ(IdleMilli(other, Node(9'000, {700, 200, 1000})), value);
}

TEST(LookaheadTest, CardsWithoutMemoryLeftStayIdle) {
  Demand pod = Pod(1000, 1, 100);
  pod.cards[0].memory_bytes = 4;
  const Lookahead lookahead({{{pod, 1}}});
  NodeState node;
  node.cpu_milli = 100'000;
  node.AddCard({.idle_bytes = 8});    // room for two
  node.AddCard({.idle_bytes = 100});  // for all
  EXPECT_EQ(IdleMilli(lookahead, node), 800);
}

TEST(LookaheadTest, EachCardIsFilledByPodsThatWantItsModel) {
  Demand pod = Pod(1000, 2, 500);
  pod.cards[0].models = 0b01;
  const Lookahead lookahead({{{pod, 1}}});
  NodeState node;
  node.cpu_milli = 100'000;
  node.AddCard({.idle = 5'000, .model = 0});
  node.AddCard({.model = 1});
  node.AddCard({.idle = 7'000, .model = 0});
  EXPECT_EQ(IdleMilli(lookahead, node), 1000 + 200);
}

TEST(LookaheadTest, WithoutAMixNothingComes) {
  Lookahead lookahead({});
  EXPECT_EQ(IdleMilli(lookahead, Node(1000, {1000, 300})), 1300);
}

}  // namespace
}  // namespace xpool::scheduler
