#include "scheduler/pool/attempts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scheduler/testing/make.h"

namespace xpool::scheduler {
namespace {

using ::testing::ElementsAre;
using testing::MakeNode;
using testing::MakePod;
using testing::Part;
using testing::Whole;

PodId Add(PoolState& pool, const PodSpec& pod) {
  EXPECT_TRUE(pool.SetPod({pod, std::nullopt}).ok());
  return *pool.FindPod(pod.uid);
}

TEST(AttemptsTest, AlternativesComeInTheOrderOfPreference) {
  PoolState pool;
  PodSpec pod = MakePod("p", {Whole(1), Whole(1)});
  pod.claims[0].requests = {{Whole(8), Whole(4)}, {Part(50), Part(20)}};
  std::vector<std::vector<uint8_t>> choices;
  for (const Attempt& attempt : AttemptsOf(pool, Add(pool, pod))) choices.push_back(attempt.parts[0].alternatives);
  EXPECT_THAT(choices, ElementsAre(ElementsAre(0, 0), ElementsAre(0, 1), ElementsAre(1, 0), ElementsAre(1, 1)));
}

TEST(AttemptsTest, WhatMayBeAnywhereIsTriedBothWays) {
  PoolState pool({.cpu_milli = 700, .memory_bytes = 3});
  PodSpec pod = MakePod("p", {Part(30)}, 2000);
  pod.claims[0].locality = Locality::kAny;
  const std::vector<Attempt> attempts = AttemptsOf(pool, Add(pool, pod));
  ASSERT_EQ(attempts.size(), 2u);
  EXPECT_EQ(attempts[0].local.cards.size(), 1u);
  EXPECT_FALSE(attempts[0].remote.has_value());
  EXPECT_FALSE(attempts[0].is_other_way);
  EXPECT_TRUE(attempts[1].is_other_way);
  EXPECT_TRUE(attempts[1].local.cards.empty());
  EXPECT_EQ(attempts[1].local.cpu_milli, 2000);
  EXPECT_EQ(attempts[1].remote->cpu_milli, 700);
  EXPECT_EQ(attempts[1].remote->cards[0].compute, Share::FromPercent(30));
}

TEST(AttemptsTest, ClaimsThatMustBeTogetherAreSoEachForItself) {
  PoolState pool;
  PodSpec pod = MakePod("p", {Whole(2)});
  pod.claims.push_back(pod.claims[0]);
  pod.claims[1].uid = "second";
  for (ClaimSpec& claim : pod.claims) claim.one_island = true;
  const Demand demand = AttemptsOf(pool, Add(pool, pod))[0].local;
  ASSERT_EQ(demand.cards.size(), 2u);
  EXPECT_NE(demand.cards[0].together, 0);
  EXPECT_NE(demand.cards[0].together, demand.cards[1].together);
  NodeState node;
  node.cpu_milli = 10'000;
  node.memory_bytes = 1 << 30;
  for (int i = 0; i < 4; ++i) node.AddCard({.island = static_cast<uint8_t>(i % 2)});
  ASSERT_TRUE(node.Fits(demand));
  const Cards cards = TightestCards(node, demand);
  EXPECT_EQ(cards[0], 0b0101);
  EXPECT_EQ(cards[1], 0b1010);
  NodeState apart;
  apart.cpu_milli = 10'000;
  apart.memory_bytes = 1 << 30;
  for (int i = 0; i < 4; ++i) apart.AddCard({.island = static_cast<uint8_t>(i == 0)});
  EXPECT_FALSE(apart.Fits(demand));
}

TEST(AttemptsTest, NotMoreThanSoMany) {
  PoolState pool;
  PodSpec pod = MakePod("p", {Whole(1), Whole(1), Whole(1), Whole(1)});
  for (auto& alternatives : pod.claims[0].requests) alternatives.resize(8, Part(10));
  EXPECT_EQ(AttemptsOf(pool, Add(pool, pod)).size(), kMostAttempts);
}

}  // namespace
}  // namespace xpool::scheduler
