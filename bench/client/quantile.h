// Medians and tails of what a benchmark program has measured.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace xpool::bench {

// Sorts |values|. REQUIRES: there is one.
inline double Quantile(std::vector<double>& values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(q * static_cast<double>(values.size() - 1))];
}

}  // namespace xpool::bench
