#include "backend/remote/residency.h"

#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace xpool::remote {
namespace {

using Piece = Residency::Piece;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(ResidencyTest, EveryNodeHasWhatNobodyHasWritten) {
  const Residency residency(100, 3);
  for (size_t node = 0; node < 3; ++node) EXPECT_THAT(residency.Missing(node, 0, 100), IsEmpty());
}

TEST(ResidencyTest, OnlyTheWriterHasWhatItWrote) {
  Residency residency(100, 3);
  residency.Written(1, 20, 30);
  EXPECT_THAT(residency.Missing(1, 0, 100), IsEmpty());
  EXPECT_THAT(residency.Missing(0, 0, 100), ElementsAre(Piece{20, 30, 1}));
  EXPECT_THAT(residency.Missing(0, 0, 25), ElementsAre(Piece{20, 5, 1}));
  EXPECT_THAT(residency.Missing(0, 49, 51), ElementsAre(Piece{49, 1, 1}));
  EXPECT_THAT(residency.Missing(0, 50, 50), IsEmpty());
}

TEST(ResidencyTest, HalvesOfTwoNodesStayApart) {
  Residency residency(100, 2);
  residency.Written(0, 0, 50);
  residency.Written(1, 50, 50);
  EXPECT_THAT(residency.Missing(0, 0, 50), IsEmpty());
  EXPECT_THAT(residency.Missing(1, 50, 50), IsEmpty());
  EXPECT_THAT(residency.Missing(0, 0, 100), ElementsAre(Piece{50, 50, 1}));
  EXPECT_THAT(residency.Missing(1, 0, 100), ElementsAre(Piece{0, 50, 0}));
  residency.Arrived(0, 50, 50);
  residency.Arrived(1, 0, 50);
  EXPECT_EQ(residency.ranges(), 1u);
}

TEST(ResidencyTest, WhatReachesPastTheEndIsNothing) {
  Residency residency(10, 2);
  residency.Written(0, 8, UINT64_MAX);
  residency.Written(0, 10, 1);
  residency.Written(0, UINT64_MAX, UINT64_MAX);
  residency.Written(0, 3, 0);
  EXPECT_THAT(residency.Missing(1, 0, UINT64_MAX), ElementsAre(Piece{8, 2, 0}));
  EXPECT_THAT(residency.Missing(1, 10, 5), IsEmpty());
}

TEST(ResidencyTest, SixtyFourNodesAreTheMost) {
  Residency residency(1, Residency::kMostNodes);
  residency.Written(63, 0, 1);
  EXPECT_THAT(residency.Missing(0, 0, 1), ElementsAre(Piece{0, 1, 63}));
}

// Against a plain table of bytes.
TEST(ResidencyTest, IsWhatATableOfBytesSays) {
  std::mt19937 random(20261125);
  constexpr uint64_t kBytes = 40;
  for (int round = 0; round < 300; ++round) {
    const size_t nodes = 1 + random() % 5;
    Residency residency(kBytes, nodes);
    std::vector<std::vector<bool>> has(nodes, std::vector<bool>(kBytes, true));
    for (int step = 0; step < 60; ++step) {
      const size_t node = random() % nodes;
      const uint64_t offset = random() % kBytes, bytes = 1 + random() % (kBytes - offset);
      std::vector<bool> missing(kBytes);
      for (const Piece& piece : residency.Missing(node, offset, bytes)) {
        for (uint64_t at = piece.offset; at < piece.offset + piece.bytes; ++at) {
          missing[at] = true;
          ASSERT_TRUE(has[piece.node][at]);
        }
        if (random() % 2 == 0) continue;
        residency.Arrived(node, piece.offset, piece.bytes);
        for (uint64_t at = piece.offset; at < piece.offset + piece.bytes; ++at) has[node][at] = true;
        for (uint64_t at = piece.offset; at < piece.offset + piece.bytes; ++at) missing[at] = false;
      }
      for (uint64_t at = offset; at < offset + bytes; ++at) ASSERT_EQ(missing[at], !has[node][at]) << at;
      if (random() % 2 == 0) continue;
      residency.Written(node, offset, bytes);
      for (size_t other = 0; other < nodes; ++other) {
        for (uint64_t at = offset; at < offset + bytes; ++at) has[other][at] = other == node;
      }
    }
  }
}

}  // namespace
}  // namespace xpool::remote
