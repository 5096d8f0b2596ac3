#include "sim/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace xpool::sim {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Report Simple() {
  Report report{.title = "a <b> & \"c\""};
  report.tables = {{"T", {"name", "value"}, {{"<script>", "1"}}}};
  report.charts = {{"C", "x", "y", {{"one", {0, 1, NAN, 3, 4}}, {"none", {}}}, 1, 4}};
  return report;
}

TEST(ReportTest, TextIsTextAndNoMarkup) {
  const std::string html = HtmlOf(Simple());
  EXPECT_THAT(html, HasSubstr("<title>a &lt;b&gt; &amp; &quot;c&quot;</title>"));
  EXPECT_THAT(html, Not(HasSubstr("<script>")));
}

TEST(ReportTest, CurveHasAPointWhereThereIsSomethingInSight) {
  const std::string html = HtmlOf(Simple());
  const size_t points = html.find("points=\"");
  const std::string of_one = html.substr(points, html.find('"', points + 8) - points);
  EXPECT_EQ(std::count(of_one.begin(), of_one.end(), ','), 3);  // at 1, 3 and 4
  EXPECT_THAT(html, Not(HasSubstr("nan")));
}

TEST(ReportTest, EmptyAndFlatChartsCanBeDrawn) {
  Report report{.title = "t"};
  report.charts = {{"C", "x", "y", {}, 0, 10}, {"D", "x", "y", {{"flat", {5, 5, 5}}}, 0, 2}};
  EXPECT_THAT(HtmlOf(report), Not(HasSubstr("nan")));
  EXPECT_THAT(HtmlOf(report), Not(HasSubstr("inf")));
}

}  // namespace
}  // namespace xpool::sim
