#include "scheduler/model/node_state.h"

#include <gtest/gtest.h>

#include <bit>
#include <random>

namespace xpool::scheduler {
namespace {

CardRequest Whole(uint8_t count, ModelSet models = kAnyModel) {
  return {.count = count, .compute = Share::Full(), .models = models};
}
CardRequest Part(int64_t percent, uint64_t memory_bytes = 0, uint8_t count = 1) {
  return {.count = count, .compute = Share::FromPercent(percent), .memory_bytes = memory_bytes};
}

NodeState Node(const std::vector<CardState>& cards, int64_t cpu_milli = 1000) {
  NodeState node;
  node.cpu_milli = cpu_milli;
  node.memory_bytes = 1000;
  for (const CardState& card : cards) EXPECT_TRUE(node.AddCard(card));
  return node;
}

CardState Card(uint16_t idle, uint64_t bytes = 100, uint8_t model = 0) {
  return {.idle_bytes = bytes, .idle = idle, .model = model};
}

TEST(NodeStateTest, EachResourceCanBeTheOneThatLacks) {
  const NodeState node = Node({Card(10'000), Card(4'000)});
  EXPECT_TRUE(node.Fits({.cpu_milli = 1000, .memory_bytes = 1000, .cards = {Part(40, 100, 2)}}));
  EXPECT_FALSE(node.Fits({.cpu_milli = 1001}));
  EXPECT_FALSE(node.Fits({.memory_bytes = 1001}));
  EXPECT_FALSE(node.Fits({.cards = {Part(41, 0, 2)}}));
  EXPECT_FALSE(node.Fits({.cards = {Part(1, 101)}}));
  EXPECT_FALSE(node.Fits({.cards = {Whole(2)}}));
  EXPECT_FALSE(node.Fits({.cards = {Whole(1, 0b10)}}));
}

TEST(NodeStateTest, CardThatIsNotUsableServesNobody) {
  NodeState node = Node({Card(10'000)});
  node.SetCard(0, {.usable = false});
  EXPECT_FALSE(node.Fits({.cards = {Part(1)}}));
  EXPECT_EQ(node.idle_milli(), 0);
}

TEST(NodeStateTest, NodeThatShrankUnderItsPodsFitsNothing) {
  NodeState node = Node({Card(10'000)}, -5);
  EXPECT_FALSE(node.Fits({.cards = {Part(1)}}));
  EXPECT_FALSE(node.Fits({.cpu_milli = 0}));
}

TEST(NodeStateTest, NoMoreThanSixteenCards) {
  NodeState node;
  for (int i = 0; i < kMostCards; ++i) EXPECT_TRUE(node.AddCard({}));
  EXPECT_FALSE(node.AddCard({}));
}

TEST(NodeStateTest, SharingPodTakesTheTightestCard) {
  const NodeState node = Node({Card(10'000), Card(5'000), Card(3'000), Card(5'000)});
  EXPECT_EQ(TightestCards(node, {.cards = {Part(40)}})[0], 0b0010);
  EXPECT_EQ(TightestCards(node, {.cards = {Part(20)}})[0], 0b0100);
  EXPECT_EQ(TightestCards(node, {.cards = {Part(60)}})[0], 0b0001);
}

TEST(NodeStateTest, AmongEquallyIdleCardsTheOneWithLessMemory) {
  const NodeState node = Node({Card(5'000, 90), Card(5'000, 50)});
  EXPECT_EQ(TightestCards(node, {.cards = {Part(10, 40)}})[0], 0b10);
  EXPECT_EQ(TightestCards(node, {.cards = {Part(10, 60)}})[0], 0b01);
}

TEST(NodeStateTest, WholeCardsAreTheFirstOnes) {
  const NodeState node = Node({Card(9'999), Card(10'000), Card(10'000), Card(10'000)});
  EXPECT_EQ(TightestCards(node, {.cards = {Whole(2)}})[0], 0b0110);
}

TEST(NodeStateTest, OneRequestLeavesAnotherWhatItNeeds) {
  // The first would like the card that alone serves the second.
  const NodeState node = Node({Card(5'000, 100, 1), Card(10'000, 100, 0)});
  Demand demand{.cards = {Part(30), Part(30)}};
  demand.cards[1].models = 0b10;
  ASSERT_TRUE(node.Fits(demand));
  const Cards cards = TightestCards(node, demand);
  EXPECT_EQ(cards[0], 0b10);
  EXPECT_EQ(cards[1], 0b01);
  demand.cards[0].models = 0b10;
  EXPECT_FALSE(node.Fits(demand));
}

TEST(NodeStateTest, GivingBackWhatWasTakenRestoresTheNode) {
  const NodeState before = Node({Card(10'000), Card(6'000), Card(10'000)});
  const Demand demand{.cpu_milli = 300, .memory_bytes = 20, .cards = {Part(50, 30), Whole(1)}};
  NodeState node = before;
  const Cards cards = TightestCards(node, demand);
  node.Take(demand, cards);
  EXPECT_EQ(node.cpu_milli, 700);
  EXPECT_EQ(node.idle_milli(), 2600 - 1500);
  EXPECT_EQ(node.whole_count(), 1);
  EXPECT_EQ(node.kinds, 0b100u);
  node.Give(demand, cards);
  EXPECT_EQ(node.cpu_milli, before.cpu_milli);
  EXPECT_EQ(node.memory_bytes, before.memory_bytes);
  EXPECT_TRUE(std::ranges::equal(node.cards(), before.cards()));
}

// Whether requests can have cards of their own, by trying all ways.
bool FitsByTrying(const NodeState& node, const Demand& demand, size_t request, int left, CardSet taken) {
  if (request == demand.cards.size()) return true;
  if (left == 0) {
    const bool last = request + 1 == demand.cards.size();
    return FitsByTrying(node, demand, request + 1, last ? 0 : demand.cards[request + 1].count, taken);
  }
  const CardSet candidates = node.Candidates(demand.cards[request]) & ~taken;
  for (unsigned set = candidates; set != 0; set &= set - 1) {
    if (FitsByTrying(node, demand, request, left - 1, taken | (1u << std::countr_zero(set)))) return true;
  }
  return false;
}

TEST(NodeStateTest, SeveralRequestsFitExactlyWhenSomeWayOfTryingDoes) {
  std::mt19937 random(7);
  const auto draw = [&random](int below) { return static_cast<int>(random() % below); };
  int fitted = 0;
  for (int round = 0; round < 3000; ++round) {
    NodeState node = Node({});
    const int cards = 1 + draw(5);
    for (int i = 0; i < cards; ++i) node.AddCard(Card(2'500 * (1 + draw(4)), 25 * draw(5), draw(3)));
    Demand demand;
    for (int i = 1 + draw(3); i > 0; --i) {
      CardRequest request = Part(25 * (1 + draw(4)), 25 * draw(4), 1 + draw(2));
      request.models = 1 + draw(7);
      demand.cards.push_back(request);
    }
    ASSERT_EQ(node.Fits(demand), FitsByTrying(node, demand, 0, demand.cards[0].count, 0)) << "round " << round;
    if (!node.Fits(demand)) continue;
    ++fitted;
    const Cards chosen = TightestCards(node, demand);
    CardSet all = 0;
    for (size_t i = 0; i < demand.cards.size(); ++i) {
      EXPECT_EQ(std::popcount(chosen[i]), demand.cards[i].count);
      EXPECT_EQ(chosen[i] & ~node.Candidates(demand.cards[i]), 0);
      EXPECT_EQ(all & chosen[i], 0);
      all |= chosen[i];
    }
  }
  EXPECT_GT(fitted, 300);
}

}  // namespace
}  // namespace xpool::scheduler
