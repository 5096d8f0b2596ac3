#include "scheduler/gangs/gang_placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <random>

#include "absl/strings/str_cat.h"
#include "scheduler/testing/make.h"

namespace xpool::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::MakeNode;

Demand Cards(int count) {
  return {.cpu_milli = 1000, .cards = {{.count = static_cast<uint8_t>(count), .compute = Share::Full()}}};
}

// Racks of so many nodes each, with so many cards free.
PoolState Racks(const std::vector<std::vector<int>>& racks) {
  PoolState pool;
  for (size_t rack = 0; rack < racks.size(); ++rack) {
    for (size_t i = 0; i < racks[rack].size(); ++i) {
      NodeSpec node = MakeNode(absl::StrCat("r", rack, "n", i), racks[rack][i]);
      node.topology = {{"rack", absl::StrCat("r", rack)}};
      EXPECT_TRUE(pool.SetNode(node).ok());
    }
  }
  return pool;
}

GangOutcome Place(const PoolState& pool, const GangWish& wish) {
  return PlaceGang(pool.nodes(), TopologyTree(pool), wish, [](NodeIndex) { return true; });
}

std::set<std::string> NodesOf(const PoolState& pool, const GangOutcome& outcome) {
  std::set<std::string> names;
  for (const GangPlace& place : outcome.places) names.insert(pool.node(place.node).name);
  return names;
}

TEST(FewestChildrenTest, AreTheFewestAndOfThoseTheTightest) {
  EXPECT_THAT(FewestChildren(std::vector<int>{5, 4, 3}, 7), ElementsAre(1, 2));
  EXPECT_THAT(FewestChildren(std::vector<int>{5, 4, 3}, 4), ElementsAre(1));
  EXPECT_THAT(FewestChildren(std::vector<int>{5, 4, 3}, 13), IsEmpty());
  EXPECT_THAT(FewestChildren(std::vector<int>{0, 2, 0, 2}, 4), ElementsAre(1, 3));
}

TEST(FewestChildrenTest, AgreeWithTryingAll) {
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    std::vector<int> places;
    for (int i = 0; i < 9; ++i) places.push_back(static_cast<int>(random() % 7));
    const int wanted = static_cast<int>(1 + random() % 20);
    int fewest = 100, least = 0;
    for (unsigned set = 0; set < 1u << places.size(); ++set) {
      int sum = 0;
      for (size_t i = 0; i < places.size(); ++i) sum += (set >> i & 1) != 0 ? places[i] : 0;
      const int count = std::popcount(set);
      if (sum < wanted || count > fewest || (count == fewest && sum >= least)) continue;
      fewest = count;
      least = sum;
    }
    const std::vector<size_t> chosen = FewestChildren(places, wanted);
    int sum = 0;
    for (const size_t child : chosen) sum += places[child];
    if (fewest == 100) {
      EXPECT_THAT(chosen, IsEmpty());
    } else {
      EXPECT_EQ(static_cast<int>(chosen.size()), fewest);
      EXPECT_EQ(sum, least);
    }
  }
}

TEST(GangPlacementTest, TakesTheTightestRackAndLeavesTheLargeOneWhole) {
  const PoolState pool = Racks({{8, 8, 8}, {8, 4}, {2, 2}});
  const GangOutcome outcome = Place(pool, {.roles = {{Cards(4), 3}}});
  EXPECT_THAT(NodesOf(pool, outcome), ElementsAre("r1n0", "r1n1"));
}

TEST(GangPlacementTest, SingleNodeBeforeARack) {
  const PoolState pool = Racks({{2, 2, 2}, {8}});
  EXPECT_THAT(NodesOf(pool, Place(pool, {.roles = {{Cards(1), 4}}})), ElementsAre("r1n0"));
}

TEST(GangPlacementTest, RequiredLevelIsNotWidened) {
  const PoolState pool = Racks({{4, 4}, {4, 4}});
  GangWish wish{.roles = {{Cards(4), 3}}, .level = "rack", .required = true};
  GangOutcome outcome = Place(pool, wish);
  EXPECT_FALSE(outcome.domain.has_value());
  EXPECT_EQ(outcome.most_places, 2);
  wish.required = false;
  outcome = Place(pool, wish);
  EXPECT_EQ(outcome.domain, TopologyTree::kRoot);
  EXPECT_EQ(outcome.places.size(), 3u);
}

TEST(GangPlacementTest, RolesDoNotTakeEachOthersPlaces) {
  const PoolState pool = Racks({{4, 4}, {8, 8}});
  const GangOutcome outcome = Place(pool, {.roles = {{Cards(4), 2}, {Cards(1), 1}}, .level = "rack", .required = true});
  ASSERT_TRUE(outcome.domain.has_value());
  EXPECT_EQ(outcome.places.size(), 3u);
  for (const std::string& name : NodesOf(pool, outcome)) EXPECT_EQ(name.substr(0, 2), "r1");
}

TEST(GangPlacementTest, FitsWheneverTryingSaysSo) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::vector<int>> racks(3);
    for (auto& rack : racks) {
      for (int i = 0; i < 3; ++i) rack.push_back(static_cast<int>(random() % 5));
    }
    const PoolState pool = Racks(racks);
    const int each = static_cast<int>(1 + random() % 3), members = static_cast<int>(1 + random() % 6);
    const bool required = random() % 2 == 0;
    int most_in_rack = 0, in_all = 0;
    for (const auto& rack : racks) {
      int places = 0;
      for (const int cards : rack) places += cards / each;
      most_in_rack = std::max(most_in_rack, places);
      in_all += places;
    }
    const GangOutcome outcome = Place(pool, {.roles = {{Cards(each), members}}, .level = "rack", .required = required});
    EXPECT_EQ(outcome.domain.has_value(), (required ? most_in_rack : in_all) >= members);
    EXPECT_EQ(static_cast<int>(outcome.places.size()), outcome.domain.has_value() ? members : 0);
  }
}

}  // namespace
}  // namespace xpool::scheduler
