#include "scheduler/outlook/card_patterns.h"

#include <gtest/gtest.h>

#include <random>

namespace xpool::scheduler {
namespace {

PodType Pods(int milli, int64_t count) {
  return {{.cards = {{.count = 1, .compute = Share::FromBasisPoints(milli * 10)}}}, count};
}

TEST(CardPatternsTest, HalvesAreWorthHalfACard) {
  const CardPatterns patterns({{Pods(500, 10)}});
  EXPECT_NEAR(patterns.IdleValue(10'000), 1, 1e-6);
  EXPECT_NEAR(patterns.IdleValue(9'999), 0.5, 1e-6);
  EXPECT_NEAR(patterns.IdleValue(4'990), 0, 1e-6);
  EXPECT_NEAR(patterns.Spoiled(10'000, 5'000), 0, 1e-6);
  EXPECT_NEAR(patterns.Spoiled(7'000, 5'000), 0, 1e-6);
}

TEST(CardPatternsTest, WhatNothingFitsBesideIsWorthAWholeCard) {
  const CardPatterns patterns({{Pods(810, 10), Pods(470, 10)}});
  EXPECT_NEAR(patterns.Spoiled(10'000, 8'100), 0, 1e-6);
  EXPECT_NEAR(patterns.IdleValue(1'900), 0, 1e-6);
}

TEST(CardPatternsTest, SmallPodBelongsBesideTheOneItCompletes) {
  // 190 completes 810 and so costs nothing there; on an empty card it keeps an 810 from one.
  const CardPatterns patterns({{Pods(810, 10), Pods(190, 10)}});
  EXPECT_NEAR(patterns.Spoiled(1'900, 1'900), 0, 1e-6);
  const CardPatterns few({{Pods(700, 10), Pods(300, 10), Pods(290, 1)}});
  EXPECT_GT(few.Spoiled(10'000, 2'900), few.Spoiled(3'000, 2'900) - 1e-9);
}

TEST(CardPatternsTest, WithoutAMixNothingIsWorthAnything) {
  const CardPatterns patterns({});
  EXPECT_EQ(patterns.IdleValue(10'000), 0);
  EXPECT_EQ(patterns.Spoiled(10'000, 3'000), 0);
}

// The linear program's own certificates: no pattern is worth more than a card, and the worths of all that is asked for
// add up to a number of cards between what its compute alone needs and what first fit, decreasing, uses.
TEST(CardPatternsTest, WorthsAreBoundedByVolumeAndByFirstFitDecreasing) {
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    Mix mix;
    std::vector<int> pods;
    for (int i = 1 + static_cast<int>(random() % 12); i > 0; --i) {
      const int milli = 10 + static_cast<int>(random() % 991), count = 1 + static_cast<int>(random() % 300);
      mix.types.push_back(Pods(milli, count));
      pods.insert(pods.end(), count, milli);
    }
    const CardPatterns patterns(mix);
    EXPECT_LE(patterns.IdleValue(10'000), 1 + 1e-6);
    double cards = 0, volume = 0;
    for (const int milli : pods) {
      // A pod's worth: what a hole of its size is worth less what it spoils there.
      cards += patterns.IdleValue(milli * 10) - patterns.Spoiled(milli * 10, milli * 10);
      volume += milli / 1000.0;
    }
    std::sort(pods.rbegin(), pods.rend());
    std::vector<int> left;
    for (const int milli : pods) {
      auto place = std::find_if(left.begin(), left.end(), [milli](int room) { return room >= milli; });
      if (place == left.end()) place = left.insert(place, 1000);
      *place -= milli;
    }
    EXPECT_GE(cards, volume - 1e-6) << "round " << round;
    EXPECT_LE(cards, static_cast<double>(left.size()) + 1e-6) << "round " << round;
    for (int idle = 0; idle <= 10'000; idle += 70) {
      for (const PodType& type : mix.types) {
        const int share = type.demand.cards[0].compute.basis_points();
        if (share <= idle) {
          EXPECT_GE(patterns.Spoiled(idle, share), 0);
        }
      }
    }
  }
}

}  // namespace
}  // namespace xpool::scheduler
