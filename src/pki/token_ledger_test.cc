#include "pki/token_ledger.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace xpool::pki {
namespace {

TokenId IdOf(uint64_t number) {
  TokenId id{};
  for (size_t i = 0; i < 8; ++i) id[i] = static_cast<uint8_t>(number >> (8 * i));
  return id;
}

class TokenLedgerTest : public testing::Test {
 protected:
  TokenLedgerTest() { clock_.Set(100 * kNsPerSec); }
  SliceToken Token(uint64_t number, uint32_t uses, int64_t life_ns = kTokenLifeNs) const {
    SliceToken token;
    token.id = IdOf(number);
    token.most_uses = uses;
    token.valid_from_ns = clock_.NowNs();
    token.valid_until_ns = clock_.NowNs() + life_ns;
    return token;
  }

  ManualClock clock_;
};

TEST_F(TokenLedgerTest, SingleUseTokenIsUsedOnce) {
  TokenLedger ledger(&clock_);
  const SliceToken token = Token(1, 1), other = Token(2, 1);
  EXPECT_TRUE(ledger.Use(token).ok());
  EXPECT_EQ(FaultOf(ledger.Use(token)), TokenFault::kUsedUp);
  EXPECT_TRUE(ledger.Use(other).ok());
}

TEST_F(TokenLedgerTest, TokenOfThreeUsesIsUsedThreeTimes) {
  TokenLedger ledger(&clock_);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(ledger.Use(Token(1, 3)).ok());
  EXPECT_EQ(FaultOf(ledger.Use(Token(1, 3))), TokenFault::kUsedUp);
}

TEST_F(TokenLedgerTest, UnlimitedTokensTakeNoRoom) {
  TokenLedger ledger(&clock_, 0);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(ledger.Use(Token(1, kUnlimitedUses)).ok());
  EXPECT_EQ(ledger.size(), 0u);
}

TEST_F(TokenLedgerTest, RememberedUntilItExpiresAndNotLonger) {
  TokenLedger ledger(&clock_);
  const SliceToken token = Token(1, 1);
  EXPECT_TRUE(ledger.Use(token).ok());
  clock_.Advance(kTokenLifeNs - 1);
  EXPECT_EQ(FaultOf(ledger.Use(token)), TokenFault::kUsedUp);
  clock_.Advance(1);
  EXPECT_TRUE(ledger.Use(Token(2, 1)).ok());
  EXPECT_EQ(ledger.size(), 1u);
  EXPECT_EQ(FaultOf(ledger.Use(token)), TokenFault::kExpired);  // checked a moment ago, and forgotten since
}

TEST_F(TokenLedgerTest, FullLedgerRefusesNewOnesAndForgetsNone) {
  TokenLedger ledger(&clock_, 2);
  const SliceToken first = Token(1, 2), second = Token(2, 1, kTokenLifeNs / 2);
  EXPECT_TRUE(ledger.Use(first).ok());
  EXPECT_TRUE(ledger.Use(second).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(ledger.Use(Token(3, 1))));
  EXPECT_TRUE(ledger.Use(first).ok());
  EXPECT_EQ(FaultOf(ledger.Use(second)), TokenFault::kUsedUp);
  clock_.Advance(kTokenLifeNs / 2);
  EXPECT_TRUE(ledger.Use(Token(3, 1)).ok());
}

TEST_F(TokenLedgerTest, LimitedTokenFromBeforeItsTimeIsRefused) {
  const SliceToken before = Token(1, 1), unlimited = Token(2, kUnlimitedUses);
  clock_.Advance(1);
  TokenLedger ledger(&clock_);  // the agent was restarted
  EXPECT_EQ(FaultOf(ledger.Use(before)), TokenFault::kUsedUp);
  EXPECT_TRUE(ledger.Use(unlimited).ok());
}

// Against a model that forgets nothing.
TEST_F(TokenLedgerTest, NoTokenIsEverUsedMoreOftenThanItMay) {
  std::mt19937_64 random(1);
  TokenLedger ledger(&clock_, 64);
  std::map<uint64_t, SliceToken> tokens;
  std::map<uint64_t, uint32_t> used;
  for (uint64_t round = 0; round < 20'000; ++round) {
    clock_.Advance(static_cast<int64_t>(random() % kNsPerSec));
    const uint64_t number = random() % 500;
    if (!tokens.contains(number) || (random() % 50 == 0 && tokens[number].valid_until_ns <= clock_.NowNs())) {
      tokens[number] =
          Token(number + (round << 16), 1 + random() % 3, 1 + static_cast<int64_t>(random() % kTokenLifeNs));
      used[number] = 0;
    }
    const SliceToken& token = tokens[number];
    if (token.valid_until_ns <= clock_.NowNs()) continue;  // CheckSliceToken() refuses it before
    const absl::Status status = ledger.Use(token);
    if (status.ok()) ++used[number];
    ASSERT_LE(used[number], token.most_uses);
    ASSERT_LE(ledger.size(), 64u);
    if (FaultOf(status) == TokenFault::kUsedUp) {
      ASSERT_EQ(used[number], token.most_uses);
    }
  }
}

}  // namespace
}  // namespace xpool::pki
