#include "cli/timeline_svg.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "base/clock.h"
#include "cli/format.h"

namespace xpool::cli {
namespace {

constexpr double kWidth = 1200, kLeft = 150, kRight = 24;
constexpr double kPlotWidth = kWidth - kLeft - kRight;
constexpr double kOverviewHeight = 120, kLaneHeight = 26, kLaneGap = 8, kRowHeight = 22;
constexpr int kMaxOverviewColumns = 200, kMinOverviewColumns = 25, kZoomColumns = 2000;
constexpr int kLeasesInColumn = 6;  // Fewer, and columns and leases beat against each other.
constexpr int kLeasesInZoom = 40;

// Okabe and Ito's palette: told apart with any colour vision.
constexpr std::array<const char*, 7> kSliceColours = {"#0072b2", "#e69f00", "#009e73", "#cc79a7",
                                                      "#56b4e9", "#d55e00", "#8a7f00"};

struct GapStyle {
  XpuState state;
  const char* colour;
  const char* text;
};
constexpr std::array<GapStyle, 5> kGaps = {{
    {XpuState::kWorking, "#cfd8dc", "working"},
    {XpuState::kHandOver, "#c62828", "gap: hand-over"},
    {XpuState::kGrace, "#fdd835", "gap: grace (holder idle)"},
    {XpuState::kThrottled, "#7b1fa2", "gap: throttled by limit"},
    {XpuState::kUnwanted, "#ffffff", "gap: nobody wants it"},
}};

int Leases(const XpuTimeline& timeline) {
  int leases = 0;
  for (const SliceLane& lane : timeline.lanes) leases += lane.leases;
  return leases;
}

const char* SliceColour(size_t lane) { return kSliceColours[lane % kSliceColours.size()]; }

const char* GapColour(XpuState state) {
  return kGaps[static_cast<size_t>(std::ranges::find(kGaps, state, &GapStyle::state) - kGaps.begin())].colour;
}

std::string Escape(std::string_view text) {
  return absl::StrReplaceAll(Printable(text), {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}});
}

// Long names keep their head; the table has room for 24 characters, a lane for 18.
std::string Shorten(std::string_view text, size_t length) {
  if (DisplayWidth(text) <= length) return Escape(text);
  std::string head(text.substr(0, length - 1));
  while (!head.empty() && (head.back() & 0xc0) == 0x80) head.pop_back();
  if (!head.empty() && (head.back() & 0x80) != 0) head.pop_back();
  return Escape(head) + "\u2026";
}

// |spans| clipped to |window|; where there are more of them than |columns|, each column shows its longest state.
template <typename State>
std::vector<Span<State>> Simplify(const std::vector<Span<State>>& spans, Window window, int columns) {
  std::vector<Span<State>> clipped;
  for (const auto& span : spans) {
    const int64_t from = std::max(span.from_ns, window.from_ns), to = std::min(span.to_ns, window.to_ns);
    if (from < to) clipped.push_back({from, to, span.state});
  }
  if (clipped.size() <= static_cast<size_t>(columns)) return clipped;
  std::vector<Span<State>> merged;
  size_t next = 0;
  for (int column = 0; column < columns; ++column) {
    const int64_t from = window.from_ns + (window.to_ns - window.from_ns) * column / columns;
    const int64_t to = window.from_ns + (window.to_ns - window.from_ns) * (column + 1) / columns;
    std::map<State, int64_t> times;
    for (; next < clipped.size() && clipped[next].from_ns < to; ++next) {
      times[clipped[next].state] += std::min(clipped[next].to_ns, to) - std::max(clipped[next].from_ns, from);
      if (clipped[next].to_ns > to) break;
    }
    if (times.empty()) continue;
    const State state = std::ranges::max_element(times, {}, [](const auto& entry) { return entry.second; })->first;
    if (!merged.empty() && merged.back().state == state) {
      merged.back().to_ns = to;
    } else {
      merged.push_back({from, to, state});
    }
  }
  return merged;
}

class Drawing {
 public:
  // Everything is placed from |y_| downwards.
  void Header(const std::string& title) {
    Text(kRight, y_ + 26, title, "class=\"title\"");
    y_ += 40;
  }

  void Xpu(const XpuTimeline& timeline, const SvgOptions& options) {
    Headline(timeline);
    Legend(timeline);
    Overview(timeline);
    Zoom(timeline, ZoomWindow(timeline, options));
    Summary(timeline);
    y_ += 18;
  }

  void Note(const std::string& text) {
    Text(kRight, y_ + 20, text, "class=\"small\"");
    y_ += 36;
  }

  std::string Finish() const {
    return absl::StrFormat(
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" "
               "font-family=\"DejaVu Sans, Verdana, Helvetica, Arial, sans-serif\" font-size=\"12\" fill=\"#212121\">\n"
               "<style>.title{font-size:18px;font-weight:bold}.head{font-size:14px;font-weight:bold}"
               ".small{font-size:11px;fill:#616161}.num{text-anchor:end}.mid{text-anchor:middle}</style>\n"
               "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n",
               kWidth, y_ + 10, kWidth, y_ + 10) +
           body_ + "</svg>\n";
  }

 private:
  void Text(double x, double y, const std::string& text, const char* attributes = "") {
    absl::StrAppendFormat(&body_, "<text x=\"%.1f\" y=\"%.1f\" %s>%s</text>\n", x, y, attributes, text);
  }
  void Rect(double x, double y, double width, double height, const char* colour, const char* attributes = "") {
    absl::StrAppendFormat(&body_, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"%s\" %s/>\n", x, y,
                          width, height, colour, attributes);
  }
  void Line(double x1, double y1, double x2, double y2, const char* colour) {
    absl::StrAppendFormat(&body_, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n", x1, y1, x2,
                          y2, colour);
  }

  static double X(int64_t at_ns, Window window) {
    return kLeft + kPlotWidth * static_cast<double>(at_ns - window.from_ns) /
                       static_cast<double>(std::max<int64_t>(window.to_ns - window.from_ns, 1));
  }

  void Headline(const XpuTimeline& timeline) {
    const int leases = Leases(timeline);
    std::string text =
        absl::StrFormat("%s: %s, %d %s", Escape(timeline.xpu_id), FormatDuration(timeline.to_ns - timeline.from_ns),
                        leases, leases == 1 ? "lease" : "leases");
    if (!timeline.hand_overs_ns.empty()) {
      absl::StrAppendFormat(&text, ", hand-over median %s, p99 %s", FormatDuration(timeline.HandOverQuantile(0.5)),
                            FormatDuration(timeline.HandOverQuantile(0.99)));
    }
    Text(kRight, y_ + 18, text, "class=\"head\"");
    y_ += 30;
  }

  void LegendItem(double& x, const char* colour, const char* attributes, const std::string& text) {
    if (x + 34 + 7.2 * static_cast<double>(DisplayWidth(text)) > kWidth - kRight) {
      x = kRight;
      y_ += 20;
    }
    Rect(x, y_ + 3, 14, 12, colour, attributes);
    Text(x + 20, y_ + 13, text);
    x += 40 + 7.0 * static_cast<double>(DisplayWidth(text));
  }

  void Legend(const XpuTimeline& timeline) {
    double x = kRight;
    for (size_t i = 0; i < timeline.lanes.size(); ++i) {
      LegendItem(x, SliceColour(i), "", Shorten(timeline.lanes[i].slice.name, 24));
    }
    x = kRight;
    y_ += 20;
    LegendItem(x, "#455a64", "", "holds the lease, running");
    LegendItem(x, "#455a64", "fill-opacity=\"0.3\"", "holds it, idle");
    LegendItem(x, "url(#draining)", "", "draining after revoke");
    LegendItem(x, "#eceff1", "stroke=\"#90a4ae\" stroke-dasharray=\"2 2\"", "waits for a lease");
    x = kRight;
    y_ += 20;
    Text(x, y_ + 13, "XPU");
    x += 40;
    for (const GapStyle& gap : kGaps) LegendItem(x, gap.colour, "stroke=\"#b0bec5\" stroke-width=\"0.5\"", gap.text);
    y_ += 34;
  }

  // Ticks below |bottom|, labelled with the time since the recording's start.
  void Axis(Window window, int64_t start_ns, double top, double bottom) {
    const int64_t length = window.to_ns - window.from_ns;
    const int64_t step = TickStep(length, 10);
    const int64_t begin = window.from_ns - start_ns;
    const bool in_ms = length < kNsPerSec;
    const double unit = in_ms ? kNsPerMs : kNsPerSec;
    const int decimals = std::max(0, static_cast<int>(std::ceil(-std::log10(static_cast<double>(step) / unit) - 1e-9)));
    for (int64_t at = (begin + step - 1) / step * step; at <= begin + length; at += step) {
      const double x = X(start_ns + at, window);
      Line(x, top, x, bottom + 4, "#e0e0e0");
      Text(x, bottom + 17, absl::StrFormat("%.*f%s", decimals, static_cast<double>(at) / unit, in_ms ? " ms" : " s"),
           "class=\"small mid\"");
    }
    Line(kLeft, bottom, kWidth - kRight, bottom, "#9e9e9e");
  }

  // Stacked: which part of each moment the XPU was held by whom.
  void Overview(const XpuTimeline& timeline) {
    const Window whole{timeline.from_ns, timeline.to_ns};
    const double top = y_, bottom = y_ + kOverviewHeight;
    Text(kRight, top + 12, "held by,");
    Text(kRight, top + 28, "whole recording");
    Axis(whole, timeline.from_ns, top, bottom);
    for (int percent : {0, 50, 100}) {
      const double y = bottom - kOverviewHeight * percent / 100;
      Text(kLeft - 6, y + 4, absl::StrCat(percent, "%"), "class=\"small num\"");
      Line(kLeft, y, kWidth - kRight, y, "#e0e0e0");
    }
    const int64_t length = whole.to_ns - whole.from_ns;
    const int columns = std::clamp(Leases(timeline) / kLeasesInColumn, kMinOverviewColumns, kMaxOverviewColumns);
    std::vector<size_t> at(timeline.lanes.size(), 0);
    for (int column = 0; length > 0 && column < columns; ++column) {
      const Window bin{whole.from_ns + length * column / columns, whole.from_ns + length * (column + 1) / columns};
      double y = bottom;
      for (size_t i = 0; i < timeline.lanes.size(); ++i) {
        const double height = kOverviewHeight * std::min(1.0, HeldFraction(timeline.lanes[i], bin, at[i]));
        if (height < 0.05) continue;
        y -= height;
        Rect(X(bin.from_ns, whole), std::max(y, top), kPlotWidth / columns, height, SliceColour(i),
             "shape-rendering=\"crispEdges\"");
      }
    }
    y_ = bottom + 34;
  }

  // Of |bin|; |at| is the first span that may reach into it and moves along.
  static double HeldFraction(const SliceLane& lane, Window bin, size_t& at) {
    int64_t held = 0;
    for (; at < lane.spans.size() && lane.spans[at].from_ns < bin.to_ns; ++at) {
      const auto& span = lane.spans[at];
      if (span.state != SliceState::kAway && span.state != SliceState::kWaiting) {
        held += std::max<int64_t>(0, std::min(span.to_ns, bin.to_ns) - std::max(span.from_ns, bin.from_ns));
      }
      if (span.to_ns > bin.to_ns) break;
    }
    return static_cast<double>(held) / static_cast<double>(std::max<int64_t>(bin.to_ns - bin.from_ns, 1));
  }

  void Zoom(const XpuTimeline& timeline, Window window) {
    const double top = y_ + 22;
    const double lanes = static_cast<double>(timeline.lanes.size() + 1);
    const double bottom = top + lanes * (kLaneHeight + kLaneGap);
    Text(kRight, y_ + 12,
         absl::StrFormat("zoom: %s from %s on", FormatDuration(window.to_ns - window.from_ns),
                         FormatDuration(window.from_ns - timeline.from_ns)),
         "class=\"head\"");
    Axis(window, timeline.from_ns, top, bottom);
    double y = top;
    Text(kLeft - 8, y + 17, Escape(timeline.xpu_id), "class=\"num\"");
    for (const auto& span : Simplify(timeline.spans, window, kZoomColumns)) {
      Rect(X(span.from_ns, window), y, X(span.to_ns, window) - X(span.from_ns, window), kLaneHeight,
           GapColour(span.state));
    }
    Rect(kLeft, y, kPlotWidth, kLaneHeight, "none", "stroke=\"#b0bec5\" stroke-width=\"0.5\"");
    for (size_t i = 0; i < timeline.lanes.size(); ++i) {
      y += kLaneHeight + kLaneGap;
      Text(kLeft - 8, y + 17, Shorten(timeline.lanes[i].slice.name, 18), "class=\"num\"");
      for (const auto& span : Simplify(timeline.lanes[i].spans, window, kZoomColumns)) {
        LaneSpan(span, window, y, SliceColour(i));
      }
    }
    y_ = bottom + 40;
  }

  void LaneSpan(const Span<SliceState>& span, Window window, double y, const char* colour) {
    const double x = X(span.from_ns, window), width = X(span.to_ns, window) - x;
    switch (span.state) {
      case SliceState::kAway:
        return;
      case SliceState::kWaiting:
        Rect(x, y + kLaneHeight / 2 - 4, width, 8, "#eceff1", "stroke=\"#90a4ae\" stroke-width=\"0.5\"");
        return;
      case SliceState::kRunning:
        Rect(x, y, width, kLaneHeight, colour);
        return;
      case SliceState::kIdle:
        Rect(x, y, width, kLaneHeight, colour, "fill-opacity=\"0.3\"");
        return;
      case SliceState::kDraining:
        Rect(x, y, width, kLaneHeight, colour, "fill-opacity=\"0.75\"");
        Rect(x, y, width, kLaneHeight, "url(#draining)");
        return;
    }
  }

  void Row(const std::vector<std::string>& cells, const char* attributes) {
    constexpr std::array<double, 10> kEnds = {0, 290, 370, 460, 550, 640, 740, 850, 970, 1100};
    for (size_t i = 0; i < cells.size(); ++i) {
      const std::string style = absl::StrCat("class=\"", i == 0 ? "" : "num", " ", attributes, "\"");
      Text(i == 0 ? kRight + 20 : kEnds[i], y_ + 15, cells[i], style.c_str());
    }
    y_ += kRowHeight;
  }

  void Summary(const XpuTimeline& timeline) {
    Row({"slice", "guarantee", "limit", "charged", "held", "idle held", "leases", "waited", "longest wait"}, "small");
    Line(kRight, y_ - 1, kWidth - kRight, y_ - 1, "#9e9e9e");
    const double length = static_cast<double>(std::max<int64_t>(timeline.to_ns - timeline.from_ns, 1));
    for (size_t i = 0; i < timeline.lanes.size(); ++i) {
      const SliceLane& lane = timeline.lanes[i];
      const std::string guarantee = lane.slice.guarantee == Share() ? "-" : lane.slice.guarantee.ToString();
      Rect(kRight, y_ + 5, 12, 12, SliceColour(i));
      Row({Shorten(lane.slice.name, 24), guarantee, lane.slice.limit.ToString(), FormatFraction(lane.charged_share),
           FormatFraction(static_cast<double>(lane.held_ns) / length),
           FormatFraction(static_cast<double>(lane.idle_ns) / length), absl::StrCat(lane.leases),
           FormatDuration(lane.waited_ns), FormatDuration(lane.longest_wait_ns)},
          "");
    }
    std::string text = "XPU time:";
    for (const GapStyle& gap : kGaps) {
      auto time = timeline.time_ns.find(gap.state);
      const double fraction = time == timeline.time_ns.end() ? 0 : static_cast<double>(time->second) / length;
      absl::StrAppend(&text, gap.state == XpuState::kWorking ? " " : " \u00b7 ", ToString(gap.state), " ",
                      absl::StrFormat("%.2f%%", fraction * 100));
    }
    Line(kRight, y_ + 2, kWidth - kRight, y_ + 2, "#e0e0e0");
    Text(kRight, y_ + 20, text, "class=\"small\"");
    y_ += 36;
  }

  std::string body_ =
      "<defs><pattern id=\"draining\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" "
      "patternTransform=\"rotate(45)\"><rect width=\"2\" height=\"5\" fill=\"#263238\" fill-opacity=\"0.7\"/></pattern>"
      "</defs>\n";
  double y_ = 10;
};

// The window of |length| that begins at a grant and holds the most grants.
int64_t BusiestStart(const XpuTimeline& timeline, int64_t length) {
  std::vector<int64_t> grants;
  for (const SliceLane& lane : timeline.lanes) {
    for (size_t i = 1; i < lane.spans.size(); ++i) {
      if (lane.spans[i].state == SliceState::kRunning) grants.push_back(lane.spans[i].from_ns);
    }
  }
  std::sort(grants.begin(), grants.end());
  int64_t best = timeline.from_ns;
  size_t most = 0, end = 0;
  for (size_t i = 0; i < grants.size(); ++i) {
    while (end < grants.size() && grants[end] < grants[i] + length) ++end;
    if (end - i > most) {
      most = end - i;
      best = grants[i];
    }
  }
  return best;
}

}  // namespace

Window ZoomWindow(const XpuTimeline& timeline, const SvgOptions& options) {
  const int64_t whole = timeline.to_ns - timeline.from_ns;
  const int64_t leases = Leases(timeline);
  int64_t length = options.zoom_length_ns;
  if (length <= 0) length = leases <= kLeasesInZoom ? whole : std::max(whole * kLeasesInZoom / leases, kNsPerMs);
  length = std::min(length, whole);
  const int64_t start =
      options.zoom_length_ns > 0 ? timeline.from_ns + options.zoom_at_ns : BusiestStart(timeline, length);
  const int64_t from = std::clamp(start, timeline.from_ns, timeline.to_ns - length);
  return {from, from + length};
}

int64_t TickStep(int64_t length_ns, int max_ticks) {
  for (int64_t power = 1;; power *= 10) {
    for (int64_t factor : {1, 2, 5}) {
      if (length_ns / (power * factor) <= max_ticks) return power * factor;
    }
  }
}

std::string DrawTimelines(const std::vector<XpuTimeline>& timelines, const SvgOptions& options) {
  Drawing drawing;
  drawing.Header(Escape(options.title));
  for (const XpuTimeline& timeline : timelines) drawing.Xpu(timeline, options);
  if (timelines.empty()) drawing.Note("No slice and no lease was seen during the recording.");
  return drawing.Finish();
}

}  // namespace xpool::cli
