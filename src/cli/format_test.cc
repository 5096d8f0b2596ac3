#include "cli/format.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/clock.h"
#include "cli/table.h"

namespace xpool::cli {
namespace {

TEST(FormatTest, DurationsTakeTheUnitThatFits) {
  EXPECT_EQ(FormatDuration(0), "0 ns");
  EXPECT_EQ(FormatDuration(999), "999 ns");
  EXPECT_EQ(FormatDuration(61'200), "61.2 us");
  EXPECT_EQ(FormatDuration(4'560'000), "4.56 ms");
  EXPECT_EQ(FormatDuration(1'200'000'000), "1.20 s");
  EXPECT_EQ(FormatDuration(125 * kNsPerSec), "2m05s");
  EXPECT_EQ(FormatDuration(-1'500), "-1.5 us");
}

TEST(FormatTest, CountsStayShort) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(12.5), "12.5");
  EXPECT_EQ(FormatCount(940), "940");
  EXPECT_EQ(FormatCount(1'200), "1.2k");
  EXPECT_EQ(FormatCount(35'000'000), "35M");
  EXPECT_EQ(FormatCount(999'999), "1.0M");
}

TEST(FormatTest, WhatCouldNotBeMeasuredIsADash) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(FormatFraction(nan), "-");
  EXPECT_EQ(FormatCount(nan), "-");
  EXPECT_EQ(FormatFraction(0.3012), "30.1%");
}

TEST(FormatTest, AgesAreNeverNegative) {
  EXPECT_EQ(FormatAge(-5), "0s");
  EXPECT_EQ(FormatAge(119), "119s");
  EXPECT_EQ(FormatAge(120), "2m");
  EXPECT_EQ(FormatAge(7200), "2h");
  EXPECT_EQ(FormatAge(3 * 86400), "3d");
}

TEST(FormatTest, ControlCharactersNeverReachTheTerminal) { EXPECT_EQ(Printable("a\033[2Jb\n"), "a?[2Jb?"); }

TEST(TableTest, ColumnsAlignAndLinesEndWithoutBlanks) {
  Table table({{"NAME"}, {"SHARE", Table::Align::kRight}, {"NOTE"}});
  table.Add({"long-name", "5%", ""});
  table.Add({"a", "100%", "\u00e9t\u00e9"});
  EXPECT_EQ(table.ToString(),
            "NAME       SHARE  NOTE\n"
            "long-name     5%  -\n"
            "a           100%  \u00e9t\u00e9\n");
}

}  // namespace
}  // namespace xpool::cli
