// A linear program: values, all at least 0, that make a sum as large as possible within limits of other sums of theirs.
// Solved by CLP. Not thread-safe.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace xpool::sim {

class LinearProgram {
 public:
  // Returns its number.
  size_t AddLimit(double most);
  // A value that counts |worth| in the sum to be made large, and so much in the limits of those numbers.
  void AddValue(double worth, const std::vector<std::pair<size_t, double>>& in_limits);

  // The largest sum. INTERNAL when it cannot be found, as when there is none.
  absl::StatusOr<double> Solve() const;

 private:
  std::vector<double> limits_, worths_;
  std::vector<int> starts_ = {0}, rows_;  // of each value's part in the limits
  std::vector<double> parts_;
};

}  // namespace xpool::sim
