#include "base/share.h"

#include <gtest/gtest.h>

namespace xpool {
namespace {

TEST(ShareTest, ParsesWhatPeopleWrite) {
  EXPECT_EQ(Share::Parse("30%")->basis_points(), 3000);
  EXPECT_EQ(Share::Parse("30")->basis_points(), 3000);
  EXPECT_EQ(Share::Parse("12.5%")->basis_points(), 1250);
  EXPECT_EQ(Share::Parse("0.01%")->basis_points(), 1);
  EXPECT_EQ(*Share::Parse("100%"), Share::Full());
}

TEST(ShareTest, RefusesNonsenseAndOverflow) {
  for (const char* text : {"", "%", ".", "-1%", "0%", "0.00", "100.01%", "1e3", "30 %", "nan", "12.345%", "1..2",
                           "99999999999999999999%"}) {
    EXPECT_FALSE(Share::Parse(text).ok()) << text;
  }
}

TEST(ShareTest, PrintsWithoutTrailingZeros) {
  for (const char* text : {"30%", "12.5%", "0.01%", "33.33%", "100%"}) EXPECT_EQ(Share::Parse(text)->ToString(), text);
}

}  // namespace
}  // namespace xpool
