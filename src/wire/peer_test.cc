#include "wire/peer.h"

#include <gtest/gtest.h>

#include "base/status.h"

namespace xpool::wire {
namespace {

TEST(PeerTest, OpeningIsReadAsWritten) {
  PeerOpening opening{.bytes = 77};
  opening.token[0] = std::byte{1}, opening.token[31] = std::byte{2};
  const auto read = DecodePeerOpening(EncodePeerOpening(opening));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->token, opening.token);
  EXPECT_EQ(read->bytes, 77u);
}

TEST(PeerTest, OpeningWithoutBytesIsRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(DecodePeerOpening(EncodePeerOpening({})).status()));
}

TEST(PeerTest, TokensAreTheSameOnlyWhenAllBytesAre) {
  PeerToken a{};
  EXPECT_TRUE(SameSecret(a, a));
  for (size_t i = 0; i < a.size(); ++i) {
    PeerToken b = a;
    b[i] ^= std::byte{0x80};
    EXPECT_FALSE(SameSecret(a, b)) << i;
  }
}

TEST(PeerTest, StatusIsReadAsWritten) {
  EXPECT_TRUE(DecodePeerStatus(EncodePeerStatus(absl::StatusCode::kOk)).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(DecodePeerStatus(EncodePeerStatus(absl::StatusCode::kPermissionDenied))));
  EXPECT_TRUE(absl::IsDataLoss(DecodePeerStatus(EncodePeerStatus(static_cast<absl::StatusCode>(17)))));
  EXPECT_EQ(StatusCodeOf(16), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(StatusCodeOf(17), std::nullopt);
}

}  // namespace
}  // namespace xpool::wire
