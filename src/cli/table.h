// Plain aligned tables, as kubectl and docker print them: a header line, two spaces between columns, no rules, no
// trailing blanks.
#pragma once

#include <string>
#include <vector>

namespace xpool::cli {

class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // Cells are cleaned of control characters; an empty one prints as "-". Missing cells are empty.
  void Add(std::vector<std::string> cells);

  // Header and rows, each ending in a newline.
  std::string ToString() const;

 private:
  std::string Line(const std::vector<std::string>& cells, const std::vector<size_t>& widths) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace xpool::cli
