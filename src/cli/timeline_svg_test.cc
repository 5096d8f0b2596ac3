#include "cli/timeline_svg.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <regex>

#include "base/clock.h"

namespace xpool::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kMs = kNsPerMs;

// Two slices that take turns of 3 and 7 ms for a second, then a throttled one alone.
std::vector<XpuTimeline> Recording() {
  std::vector<LeaseChange> changes;
  const auto add = [&](int64_t at, const char* slice, const char* what) {
    changes.push_back({at, "xpu0", slice, what});
  };
  add(0, "b", "want");
  for (int64_t at = 0; at < 1000 * kMs; at += 10 * kMs) {
    add(at, "a", "grant");
    add(at + 2'800'000, "a", "revoke");
    add(at + 3 * kMs, "a", "want");
    add(at + 3 * kMs, "a", "return");
    add(at + 3 * kMs + 50'000, "b", "grant");
    add(at + 9 * kMs, "b", "idle");
    add(at + 9'940'000, "b", "take");
    add(at + 9'950'000, "b", "want");
  }
  add(1000 * kMs, "a", "died");
  add(1000 * kMs, "b", "died");
  for (int64_t at = 1100 * kMs; at < 1400 * kMs; at += 20 * kMs) {
    add(at, "c", "want");
    add(at + 15 * kMs, "c", "grant");
    add(at + 20 * kMs, "c", "return");
  }
  return BuildTimelines(changes,
                        {{"a", "training", "xpu0", Share::FromPercent(30)},
                         {"b", "serving <&> \"x\"", "xpu0", Share::FromPercent(60)},
                         {"c", "strict", "xpu0", Share::FromPercent(5), Share::FromPercent(25)}},
                        0, 1500 * kMs);
}

TEST(TimelineSvgTest, ShowsNamesGapsAndNumbers) {
  const std::string svg = DrawTimelines(Recording(), {});
  EXPECT_THAT(svg, HasSubstr("training"));
  EXPECT_THAT(svg, HasSubstr("throttled by limit"));
  EXPECT_THAT(svg, HasSubstr("hand-over median"));
  EXPECT_TRUE(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
  // For looking at it: the picture lands where the caller says.
  if (const char* path = getenv("XPOOL_TEST_SVG")) std::ofstream(path) << svg;
}

TEST(TimelineSvgTest, NamesAreEscaped) {
  const std::string svg = DrawTimelines(Recording(), {.title = "a<b"});
  EXPECT_THAT(svg, HasSubstr("serving &lt;&amp;&gt; &quot;x&quot;"));
  EXPECT_THAT(svg, HasSubstr("a&lt;b"));
  EXPECT_THAT(svg, Not(HasSubstr("<&>")));
}

TEST(TimelineSvgTest, NothingIsDrawnOutsideThePlotOrWithNegativeWidth) {
  const std::string svg = DrawTimelines(Recording(), {});
  const std::regex rect("<rect x=\"([-0-9.]+)\" y=\"[-0-9.]+\" width=\"([-0-9.]+)\"");
  int seen = 0;
  for (auto match = std::sregex_iterator(svg.begin(), svg.end(), rect); match != std::sregex_iterator(); ++match) {
    const double x = std::stod((*match)[1]), width = std::stod((*match)[2]);
    EXPECT_GE(x, 0);
    EXPECT_GE(width, 0);
    EXPECT_LE(x + width, 1200);
    ++seen;
  }
  EXPECT_GT(seen, 100);
}

TEST(TimelineSvgTest, ManyLeasesAreMergedIntoColumns) {
  std::vector<LeaseChange> changes;
  for (int64_t i = 0; i < 50'000; ++i) changes.push_back({i * 20'000, "xpu0", "a", i % 2 == 0 ? "grant" : "return"});
  const auto timelines = BuildTimelines(changes, {{"a", "a", "xpu0"}}, 0, 1000 * kMs);
  const std::string svg = DrawTimelines(timelines, {.zoom_length_ns = 1000 * kMs});
  EXPECT_LT(svg.size(), 1'000'000u);
}

TEST(TimelineSvgTest, AnEmptyRecordingSaysSo) {
  EXPECT_THAT(DrawTimelines({}, {}), HasSubstr("No slice and no lease"));
  EXPECT_THAT(DrawTimelines(BuildTimelines({}, {{"a", "a", "xpu0"}}, 5, 5), {}), HasSubstr("</svg>"));
}

TEST(TimelineSvgTest, TheZoomStaysInsideTheRecording) {
  const XpuTimeline timeline = Recording()[0];
  const Window far = ZoomWindow(timeline, {.zoom_at_ns = 10 * kNsPerSec, .zoom_length_ns = 100 * kMs});
  EXPECT_EQ(far.from_ns, 1400 * kMs);
  EXPECT_EQ(far.to_ns, 1500 * kMs);
  const Window whole = ZoomWindow(timeline, {.zoom_length_ns = 100 * kNsPerSec});
  EXPECT_EQ(whole.from_ns, 0);
  EXPECT_EQ(whole.to_ns, 1500 * kMs);
  const Window chosen = ZoomWindow(timeline, {});
  EXPECT_LT(chosen.to_ns, 1000 * kMs);  // Where leases change most.
}

TEST(TimelineSvgTest, TicksAreRound) {
  EXPECT_EQ(TickStep(5 * kNsPerSec, 10), 500 * kMs);
  EXPECT_EQ(TickStep(100 * kMs, 10), 10 * kMs);
  EXPECT_EQ(TickStep(0, 10), 1);
}

}  // namespace
}  // namespace xpool::cli
