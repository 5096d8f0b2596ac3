#include "wire/credits.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>

namespace xpool::wire {
namespace {

TEST(CreditPurseTest, SpendsWhatWasGrantedAndNoMore) {
  CreditPurse purse(100);
  EXPECT_TRUE(purse.TrySpend(60));
  EXPECT_FALSE(purse.TrySpend(41));
  EXPECT_TRUE(purse.TrySpend(40));
  EXPECT_FALSE(purse.TrySpend(1));
  EXPECT_EQ(purse.available(), 0u);
}

TEST(CreditPurseTest, HugeSpendIsRefused) {
  CreditPurse purse(100);
  EXPECT_TRUE(purse.TrySpend(50));
  EXPECT_FALSE(purse.TrySpend(UINT64_MAX));
  EXPECT_FALSE(purse.TrySpend(UINT64_MAX - 49));
  EXPECT_EQ(purse.available(), 50u);
}

TEST(CreditPurseTest, RepeatedAndOldGrantsChangeNothing) {
  CreditPurse purse(100);
  ASSERT_TRUE(purse.TrySpend(80));
  ASSERT_TRUE(purse.OnGrant(150).ok());
  EXPECT_EQ(purse.available(), 70u);
  EXPECT_TRUE(purse.OnGrant(150).ok());
  EXPECT_TRUE(purse.OnGrant(120).ok());
  EXPECT_TRUE(purse.OnGrant(0).ok());
  EXPECT_EQ(purse.available(), 70u);
}

TEST(CreditPurseTest, GrantPastTheWindowIsRefused) {
  CreditPurse purse(100);
  ASSERT_TRUE(purse.TrySpend(10));
  EXPECT_TRUE(absl::IsInvalidArgument(purse.OnGrant(111)));
  EXPECT_TRUE(absl::IsInvalidArgument(purse.OnGrant(UINT64_MAX)));
  EXPECT_EQ(purse.available(), 90u);
  EXPECT_TRUE(purse.OnGrant(110).ok());
}

TEST(CreditGrantsTest, SenderWithoutCreditIsRefused) {
  CreditGrants grants(100, 10);
  EXPECT_TRUE(grants.OnArrival(100).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(grants.OnArrival(1)));
  EXPECT_TRUE(absl::IsResourceExhausted(grants.OnArrival(UINT64_MAX)));
}

TEST(CreditGrantsTest, GrantsWhenEnoughWasConsumed) {
  CreditGrants grants(100, 10);
  ASSERT_TRUE(grants.OnArrival(80).ok());
  EXPECT_EQ(grants.TakeGrant(), std::nullopt);
  grants.OnConsumed(49);
  EXPECT_EQ(grants.TakeGrant(), std::nullopt);
  grants.OnConsumed(1);
  EXPECT_EQ(grants.TakeGrant(), 150u);
  EXPECT_EQ(grants.TakeGrant(), std::nullopt);
  EXPECT_EQ(grants.granted_bytes(), 150u);
}

TEST(CreditGrantsTest, MoreConsumedThanArrivedGrantsNothingExtra) {
  CreditGrants grants(100, 10);
  ASSERT_TRUE(grants.OnArrival(60).ok());
  grants.OnConsumed(UINT64_MAX);
  EXPECT_EQ(grants.TakeGrant(), 160u);
}

// Whatever the sizes: the sender never gets stuck once all is consumed, and the receiver never holds more than a
// window.
TEST(CreditsTest, SenderAlwaysGetsOnAndReceiverNeverHoldsMoreThanAWindow) {
  std::mt19937_64 random(7);
  for (const uint64_t window : {64u, 65u, 100u, 128u, 1000u}) {
    constexpr uint64_t kLargest = 64;
    CreditPurse purse(window);
    CreditGrants grants(window, kLargest);
    uint64_t held = 0;
    for (int i = 0; i < 2000; ++i) {
      const uint64_t bytes = 1 + random() % kLargest;
      if (!purse.TrySpend(bytes)) {
        grants.OnConsumed(held);
        held = 0;
        const std::optional<uint64_t> granted = grants.TakeGrant();
        ASSERT_TRUE(granted.has_value()) << "window " << window << ", stuck with " << purse.available();
        ASSERT_TRUE(purse.OnGrant(*granted).ok());
        ASSERT_TRUE(purse.TrySpend(bytes));
      }
      ASSERT_TRUE(grants.OnArrival(bytes).ok());
      held += bytes;
      ASSERT_LE(held, window);
      if (random() % 4 != 0) continue;
      const uint64_t consumed = random() % (held + 1);
      grants.OnConsumed(consumed);
      held -= consumed;
      const std::optional<uint64_t> granted = grants.TakeGrant();
      if (!granted.has_value()) continue;
      if (random() % 2 == 0) {
        ASSERT_TRUE(purse.OnGrant(*granted).ok());
      }
      // If it was lost, a resume says it again; otherwise it does no harm.
      ASSERT_TRUE(purse.OnGrant(grants.granted_bytes()).ok());
    }
  }
}

}  // namespace
}  // namespace xpool::wire
