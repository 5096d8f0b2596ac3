#include "agent/memory_ledger.h"

#include <gtest/gtest.h>

#include <limits>

namespace xpool::agent {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

TEST(MemoryLedgerTest, SumOverSessionsStaysWithinTheLimit) {
  MemoryLedger ledger;
  ledger.SetLimit(1, 100);
  EXPECT_TRUE(ledger.Grant(1, 10, 60));
  EXPECT_FALSE(ledger.Grant(1, 11, 41));
  EXPECT_FALSE(ledger.Grant(1, 11, kMax));
  EXPECT_TRUE(ledger.Grant(1, 11, 40));
  EXPECT_EQ(ledger.used_bytes(1), 100u);
  EXPECT_EQ(ledger.held_bytes(1, 11), 40u);
}

TEST(MemoryLedgerTest, SessionReturnsAtMostWhatItHoldsAndItsEndReturnsTheRest) {
  MemoryLedger ledger;
  ledger.SetLimit(1, 100);
  ledger.Grant(1, 10, 60);
  ledger.Grant(1, 11, 20);
  ledger.Return(1, 10, kMax);
  EXPECT_EQ(ledger.used_bytes(1), 20u);
  ledger.EndSession(1, 11);
  EXPECT_EQ(ledger.used_bytes(1), 0u);
}

TEST(MemoryLedgerTest, NothingIsGrantedWhileMoreIsHeldThanTheLoweredLimit) {
  MemoryLedger ledger;
  ledger.SetLimit(1, 100);
  ledger.Grant(1, 10, 80);
  ledger.SetLimit(1, 50);
  EXPECT_FALSE(ledger.Grant(1, 11, 1));
  ledger.Return(1, 10, 40);
  EXPECT_TRUE(ledger.Grant(1, 11, 10));
}

TEST(MemoryLedgerTest, BroughtAlongCreditCannotWrapTheSum) {
  MemoryLedger ledger;
  ledger.SetLimit(1, 100);
  ledger.Restore(1, 10, 90);
  ledger.Restore(1, 11, kMax);
  EXPECT_EQ(ledger.used_bytes(1), kMax);
  EXPECT_EQ(ledger.free_bytes(1), 0u);
  ledger.EndSession(1, 11);
  EXPECT_EQ(ledger.used_bytes(1), 90u);
}

TEST(MemoryLedgerTest, UnknownSliceHasNothing) {
  MemoryLedger ledger;
  EXPECT_FALSE(ledger.Grant(7, 1, 1));
  ledger.Return(7, 1, 1);
  EXPECT_EQ(ledger.used_bytes(7), 0u);
}

}  // namespace
}  // namespace xpool::agent
