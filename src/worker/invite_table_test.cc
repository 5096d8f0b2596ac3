#include "worker/invite_table.h"

#include <gtest/gtest.h>

namespace xpool::worker {
namespace {

wire::PeerToken Token(int first) {
  wire::PeerToken token{};
  token[0] = static_cast<std::byte>(first);
  return token;
}

class InviteTableTest : public testing::Test {
 protected:
  ManualClock clock_;
  InviteTable table_{&clock_};
  const wire_cl::Invite invite_{{}, {}, 5, 10, "PEM"};
};

TEST_F(InviteTableTest, TokenIsGoodOnce) {
  ASSERT_TRUE(table_.Open(Token(1), invite_).ok());
  const auto taken = table_.Take({Token(1), 10}, "PEM");
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(taken->offset, 5u);
  EXPECT_TRUE(absl::IsPermissionDenied(table_.Take({Token(1), 10}, "PEM").status()));
}

TEST_F(InviteTableTest, AnotherTokenIsRefusedAndUsesNothingUp) {
  ASSERT_TRUE(table_.Open(Token(1), invite_).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(table_.Take({Token(2), 10}, "PEM").status()));
  EXPECT_TRUE(table_.Take({Token(1), 10}, "PEM").ok());
}

TEST_F(InviteTableTest, TokenIsGoodForItsCertificateAndItsLengthAlone) {
  ASSERT_TRUE(table_.Open(Token(1), invite_).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(table_.Take({Token(1), 10}, "PEM of another").status()));
  EXPECT_TRUE(table_.empty());
  ASSERT_TRUE(table_.Open(Token(2), invite_).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(table_.Take({Token(2), 11}, "PEM").status()));
  EXPECT_TRUE(table_.empty());
}

TEST_F(InviteTableTest, TokenExpires) {
  ASSERT_TRUE(table_.Open(Token(1), invite_).ok());
  clock_.Advance(InviteTable::kLifeNs - 1);
  EXPECT_EQ(table_.Certificates(), "PEM");
  clock_.Advance(1);
  EXPECT_EQ(table_.Certificates(), "");
  EXPECT_TRUE(absl::IsPermissionDenied(table_.Take({Token(1), 10}, "PEM").status()));
}

TEST_F(InviteTableTest, RemovedTokenIsRefused) {
  ASSERT_TRUE(table_.Open(Token(1), invite_).ok());
  EXPECT_FALSE(table_.Remove(Token(2)));
  EXPECT_TRUE(table_.Remove(Token(1)));
  EXPECT_TRUE(absl::IsPermissionDenied(table_.Take({Token(1), 10}, "PEM").status()));
}

TEST_F(InviteTableTest, SoManyAndNoMoreAreOpen) {
  for (size_t i = 0; i < InviteTable::kMost; ++i)
    ASSERT_TRUE(table_.Open(Token(static_cast<int>(i)), invite_).ok()) << i;
  EXPECT_TRUE(absl::IsResourceExhausted(table_.Open(Token(99), invite_)));
  clock_.Advance(InviteTable::kLifeNs);
  EXPECT_TRUE(table_.Open(Token(99), invite_).ok());
}

}  // namespace
}  // namespace xpool::worker
