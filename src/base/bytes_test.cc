#include "base/bytes.h"

#include <gtest/gtest.h>

namespace xpool {
namespace {

TEST(BytesTest, ParsesUnits) {
  EXPECT_EQ(*ParseBytes("4096"), 4096u);
  EXPECT_EQ(*ParseBytes("512Mi"), 512 * kMiB);
  EXPECT_EQ(*ParseBytes("512MiB"), 512 * kMiB);
  EXPECT_EQ(*ParseBytes("1.5Gi"), 1536 * kMiB);
  EXPECT_EQ(*ParseBytes("800M"), 800'000'000u);
  EXPECT_EQ(*ParseBytes("2g"), 2 * kGiB);
}

TEST(BytesTest, RefusesNonsenseAndOverflow) {
  for (const char* text : {"", "0", "-1", "Mi", "1.2.3Mi", "12Xi", "99999999999999999999", "9223372036854775808Ki",
                           "0.0000000000001", "1 Gi"}) {
    EXPECT_FALSE(ParseBytes(text).ok()) << text;
  }
}

TEST(BytesTest, FormatsInTheLargestUnit) {
  EXPECT_EQ(FormatBytes(512 * kMiB), "512Mi");
  EXPECT_EQ(FormatBytes(1536 * kMiB), "1.5Gi");
  EXPECT_EQ(FormatBytes(100), "100");
}

}  // namespace
}  // namespace xpool
