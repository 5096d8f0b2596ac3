// A page with the curves and tables of an experiment: one HTML file that needs nothing else, for people to look at.
// Pure.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace xpool::sim {

struct Curve {
  std::string name;
  std::vector<double> y;  // by x from 0 on; NaN: nothing there
};

struct Chart {
  std::string title, x_title, y_title;
  std::vector<Curve> curves;
  double x_from = 0, x_to = 0;  // what is shown
};

// The first cell of a row is its name; the others are numbers, or whatever.
struct ReportTable {
  std::string title;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
};

struct Report {
  std::string title;
  std::vector<std::string> notes;  // paragraphs under the title
  std::vector<ReportTable> tables;
  std::vector<Chart> charts;
};

// At most so many curves can be told apart in a chart; further ones are grey.
std::string HtmlOf(const Report& report);

}  // namespace xpool::sim
