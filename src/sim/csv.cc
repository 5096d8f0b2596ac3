#include "sim/csv.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace xpool::sim {
namespace {

absl::Status AtLine(const std::string& file, int line, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(file, " line ", line, ": ", what));
}

}  // namespace

absl::StatusOr<CsvTable> CsvTable::Parse(absl::string_view text, const std::string& file,
                                         const std::vector<std::string>& columns) {
  CsvTable table;
  table.file_ = file;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    absl::ConsumeSuffix(&line, "\r");
    if (line.empty()) continue;
    std::vector<absl::string_view> cells = absl::StrSplit(line, ',');
    if (table.header_.empty()) {
      for (size_t i = 0; i < columns.size(); ++i) {
        if (i >= cells.size() || cells[i] != columns[i])
          return AtLine(file, number, absl::StrCat("column ", i + 1, " must be \"", columns[i], "\""));
      }
      table.header_ = std::move(cells);
      continue;
    }
    if (cells.size() < columns.size() || cells.size() > table.header_.size())
      return AtLine(file, number,
                    absl::StrCat("it has ", cells.size(), " cells, and the header ", table.header_.size()));
    table.rows_.push_back({number, std::move(cells)});
  }
  if (table.header_.empty()) return AtLine(file, number, "the header line is missing");
  return table;
}

absl::string_view CsvTable::Text(size_t row, size_t column) const {
  const std::vector<absl::string_view>& cells = rows_[row].cells;
  return column < cells.size() ? cells[column] : absl::string_view();
}

absl::StatusOr<int64_t> CsvTable::Number(size_t row, size_t column, int64_t least, int64_t most) const {
  int64_t value = 0;
  const absl::string_view text = Text(row, column);
  if (absl::SimpleAtoi(text, &value) && value >= least && value <= most) return value;
  return Error(
      row, absl::StrCat(header_[column], " is \"", text, "\", and must be a whole number from ", least, " to ", most));
}

size_t CsvTable::Find(absl::string_view name) const {
  return static_cast<size_t>(std::find(header_.begin(), header_.end(), name) - header_.begin());
}

absl::Status CsvTable::Error(size_t row, absl::string_view what) const { return AtLine(file_, rows_[row].line, what); }

}  // namespace xpool::sim
