#include "sim/report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

namespace xpool::sim {
namespace {

// Colours that people who do not see red or green can tell apart (Okabe & Ito).
constexpr std::array kColours = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                 "#E69F00", "#56B4E9", "#8A6D00", "#555555"};

constexpr const char* kStyle = R"(
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse;margin:1rem 0}
th,td{padding:.3rem .8rem;text-align:right;border-bottom:1px solid #8884}
th:first-child,td:first-child{text-align:left}
svg{width:100%;height:auto}
svg text{font-size:12px;fill:currentColor}
.grid{stroke:#8884}.axis{stroke:currentColor}
.curve{fill:none;stroke-width:2}
)";

std::string Escaped(const std::string& text) {
  return absl::StrReplaceAll(text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}});
}

// Ticks at round distances, eight or so over |length|.
double StepOf(double length) {
  const double rough = length / 8, power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (rough <= factor * power) return factor * power;
  }
  return 10 * power;
}

class Drawing {
 public:
  explicit Drawing(const Chart& chart) : chart_(chart) {
    y_from_ = std::numeric_limits<double>::max();
    y_to_ = std::numeric_limits<double>::lowest();
    for (const Curve& curve : chart.curves) {
      for (size_t x = First(); x < curve.y.size() && static_cast<double>(x) <= chart.x_to; ++x) {
        if (std::isnan(curve.y[x])) continue;
        y_from_ = std::min(y_from_, curve.y[x]);
        y_to_ = std::max(y_to_, curve.y[x]);
      }
    }
    if (y_from_ > y_to_) y_from_ = y_to_ = 0;
    const double step = StepOf(std::max(y_to_ - y_from_, 1e-9));
    y_from_ = std::floor(y_from_ / step) * step;
    y_to_ = std::max(std::ceil(y_to_ / step) * step, y_from_ + step);
  }

  std::string Svg() {
    absl::StrAppend(&svg_, "<svg viewBox=\"0 0 ", kWidth, " ", kHeight, "\" role=\"img\" aria-label=\"",
                    Escaped(chart_.title), "\">");
    Grid();
    for (size_t i = 0; i < chart_.curves.size(); ++i) Draw(i);
    svg_ += "</svg>";
    return std::move(svg_);
  }

 private:
  static constexpr int kWidth = 900, kHeight = 420, kLeft = 60, kRight = 150, kTop = 15, kBottom = 45;

  size_t First() const { return static_cast<size_t>(std::max(0.0, std::ceil(chart_.x_from))); }
  double X(double x) const {
    return kLeft + (x - chart_.x_from) / (chart_.x_to - chart_.x_from) * (kWidth - kLeft - kRight);
  }
  double Y(double y) const {
    return kHeight - kBottom - (y - y_from_) / (y_to_ - y_from_) * (kHeight - kTop - kBottom);
  }

  void Line(double x1, double y1, double x2, double y2, const char* of_class) {
    absl::StrAppendFormat(&svg_, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", of_class, x1,
                          y1, x2, y2);
  }
  void Text(double x, double y, const char* anchor, const std::string& text) {
    absl::StrAppendFormat(&svg_, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>", x, y, anchor,
                          Escaped(text));
  }

  void Grid() {
    const double x_step = StepOf(chart_.x_to - chart_.x_from), y_step = StepOf(y_to_ - y_from_);
    for (double x = std::ceil(chart_.x_from / x_step) * x_step; x <= chart_.x_to + 1e-9; x += x_step) {
      Line(X(x), kTop, X(x), kHeight - kBottom, "grid");
      Text(X(x), kHeight - kBottom + 18, "middle", absl::StrFormat("%g", x));
    }
    for (double y = y_from_; y <= y_to_ + y_step / 2; y += y_step) {
      Line(kLeft, Y(y), kWidth - kRight, Y(y), "grid");
      Text(kLeft - 8, Y(y) + 4, "end", absl::StrFormat("%g", std::round(y * 1e6) / 1e6));
    }
    Line(kLeft, kHeight - kBottom, kWidth - kRight, kHeight - kBottom, "axis");
    Line(kLeft, kTop, kLeft, kHeight - kBottom, "axis");
    Text((kLeft + kWidth - kRight) / 2.0, kHeight - 8, "middle", chart_.x_title);
    absl::StrAppendFormat(&svg_,
                          "<text x=\"14\" y=\"%d\" text-anchor=\"middle\" transform=\"rotate(-90 14 %d)\">%s</text>",
                          kHeight / 2, kHeight / 2, Escaped(chart_.y_title));
  }

  void Draw(size_t i) {
    const Curve& curve = chart_.curves[i];
    const char* colour = kColours[std::min(i, kColours.size() - 1)];
    std::string points;
    for (size_t x = First(); x < curve.y.size() && static_cast<double>(x) <= chart_.x_to; ++x) {
      if (!std::isnan(curve.y[x]))
        absl::StrAppendFormat(&points, "%.1f,%.1f ", X(static_cast<double>(x)), Y(curve.y[x]));
    }
    absl::StrAppend(&svg_, "<polyline class=\"curve\" stroke=\"", colour, "\" points=\"", points, "\"><title>",
                    Escaped(curve.name), "</title></polyline>");
    const int y = kTop + 12 + static_cast<int>(i) * 20;
    absl::StrAppendFormat(&svg_, "<line stroke=\"%s\" stroke-width=\"3\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>",
                          colour, kWidth - kRight + 12, y - 4, kWidth - kRight + 32, y - 4);
    Text(kWidth - kRight + 38, y, "start", curve.name);
  }

  const Chart& chart_;
  double y_from_ = 0, y_to_ = 0;
  std::string svg_;
};

std::string HtmlOf(const ReportTable& table) {
  std::string html = absl::StrCat("<h2>", Escaped(table.title), "</h2><table><tr>");
  for (const std::string& column : table.columns) absl::StrAppend(&html, "<th>", Escaped(column), "</th>");
  html += "</tr>";
  for (const std::vector<std::string>& row : table.rows) {
    html += "<tr>";
    for (const std::string& cell : row) absl::StrAppend(&html, "<td>", Escaped(cell), "</td>");
    html += "</tr>";
  }
  return html + "</table>";
}

}  // namespace

std::string HtmlOf(const Report& report) {
  std::string html =
      absl::StrCat("<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>", Escaped(report.title),
                   "</title><meta name=\"viewport\" content=\"width=device-width\">", "<style>", kStyle,
                   "</style></head><body><h1>", Escaped(report.title), "</h1>");
  for (const std::string& note : report.notes) absl::StrAppend(&html, "<p>", Escaped(note), "</p>");
  for (const ReportTable& table : report.tables) html += HtmlOf(table);
  for (const Chart& chart : report.charts)
    absl::StrAppend(&html, "<h2>", Escaped(chart.title), "</h2>", Drawing(chart).Svg());
  return html + "</body></html>\n";
}

}  // namespace xpool::sim
