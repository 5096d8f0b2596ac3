// Comma-separated tables with a header line, without quoting: what the public traces use. Lines end with LF or CRLF.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace xpool::sim {

class CsvTable {
 public:
  // |columns|: those that the header must begin with. INVALID_ARGUMENT names the line, also of a row that has fewer.
  static absl::StatusOr<CsvTable> Parse(absl::string_view text, const std::string& file,
                                        const std::vector<std::string>& columns);

  size_t size() const { return rows_.size(); }
  // "" where the row ends before |column|.
  absl::string_view Text(size_t row, size_t column) const;
  // A whole number in [least, most].
  absl::StatusOr<int64_t> Number(size_t row, size_t column, int64_t least, int64_t most) const;
  // The place of |name| in the header; columns() when it is not there.
  size_t Find(absl::string_view name) const;
  size_t columns() const { return header_.size(); }

  // "pods.csv line 12: WHAT".
  absl::Status Error(size_t row, absl::string_view what) const;

 private:
  struct Row {
    int line;
    std::vector<absl::string_view> cells;
  };
  std::string file_;
  std::vector<absl::string_view> header_;
  std::vector<Row> rows_;  // they point into the text
};

}  // namespace xpool::sim
