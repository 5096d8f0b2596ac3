#include "scheduler/outlook/card_patterns.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace xpool::scheduler {
namespace {

constexpr size_t kMostSizes = 64;  // the rest have the worth of the hole they fill
constexpr int kMostPivots = 2000;
constexpr double kEpsilon = 1e-9;

int MilliOf(int32_t basis_points) { return (basis_points + 9) / 10; }

// The simplex method's state for "the fewest cards whose patterns make up all that is asked for": one row a size, the
// inverse of the basis, and how often each of its patterns is used.
class Basis {
 public:
  // Starts from patterns of a single size each.
  Basis(std::vector<double> per_card, const std::vector<double>& asked) {
    const size_t count = asked.size();
    inverse_.assign(count, std::vector<double>(count, 0));
    for (size_t i = 0; i < count; ++i) {
      inverse_[i][i] = 1 / per_card[i];
      used_.push_back(asked[i] / per_card[i]);
    }
  }

  double Worth(size_t size) const {
    double sum = 0;
    for (const std::vector<double>& row : inverse_) sum += row[size];
    return sum;
  }

  // Brings |pattern| in. False when nothing would change.
  bool Enter(const std::vector<int>& pattern) {
    const size_t count = used_.size();
    std::vector<double> column(count, 0);
    for (size_t i = 0; i < count; ++i) {
      for (size_t j = 0; j < count; ++j) column[i] += inverse_[i][j] * pattern[j];
    }
    size_t leaves = count;
    double least = 0;
    for (size_t i = 0; i < count; ++i) {
      if (column[i] <= kEpsilon) continue;
      if (leaves == count || used_[i] / column[i] < least) least = used_[i] / column[leaves = i];
    }
    if (leaves == count) return false;
    for (double& value : inverse_[leaves]) value /= column[leaves];
    used_[leaves] = least;
    for (size_t i = 0; i < count; ++i) {
      if (i == leaves) continue;
      used_[i] = std::max(0.0, used_[i] - column[i] * least);
      for (size_t j = 0; j < count; ++j) inverse_[i][j] -= column[i] * inverse_[leaves][j];
    }
    return true;
  }

 private:
  std::vector<std::vector<double>> inverse_;
  std::vector<double> used_;
};

}  // namespace

CardPatterns::CardPatterns(const Mix& mix) {
  std::map<int, double> asked;
  for (const PodType& type : mix.types) {
    for (const CardRequest& request : type.demand.cards) {
      const int milli = MilliOf(request.compute.basis_points());
      if (milli > 0) asked[milli] += static_cast<double>(type.count) * request.count;
    }
  }
  for (const auto& [milli, cards] : asked) sizes_.push_back({milli, cards, 0});
  std::sort(sizes_.begin(), sizes_.end(),
            [](const Size& one, const Size& other) { return one.cards * one.milli > other.cards * other.milli; });
  if (sizes_.size() > kMostSizes) sizes_.resize(kMostSizes);
  Solve();
  worths_ = values_;
  for (const Size& size : sizes_) worths_[size.milli] = size.worth;
}

std::vector<int> CardPatterns::BestPattern() {
  constexpr int kNothing = -1;
  std::array<int, kWhole + 1> last{};  // the size that is put in last, by what has been filled
  values_[0] = 0;
  for (int milli = 1; milli <= kWhole; ++milli) {
    values_[milli] = values_[milli - 1];
    last[milli] = kNothing;
    for (size_t i = 0; i < sizes_.size(); ++i) {
      if (sizes_[i].milli > milli) continue;
      const double value = values_[milli - sizes_[i].milli] + sizes_[i].worth;
      if (value <= values_[milli] + kEpsilon) continue;
      values_[milli] = value;
      last[milli] = static_cast<int>(i);
    }
  }
  std::vector<int> pattern(sizes_.size(), 0);
  for (int left = kWhole; left > 0;) {
    if (last[left] == kNothing) {
      --left;
    } else {
      ++pattern[last[left]];
      left -= sizes_[last[left]].milli;
    }
  }
  return pattern;
}

void CardPatterns::Solve() {
  std::vector<double> per_card, asked;
  for (const Size& size : sizes_) {
    per_card.push_back(kWhole / size.milli);
    asked.push_back(size.cards);
  }
  Basis basis(per_card, asked);
  for (int pivot = 0; pivot < kMostPivots; ++pivot) {
    for (size_t i = 0; i < sizes_.size(); ++i) sizes_[i].worth = std::max(0.0, basis.Worth(i));
    const std::vector<int> pattern = BestPattern();
    if (values_[kWhole] <= 1 + 1e-7 || !basis.Enter(pattern)) break;
  }
  // Had it to stop early, the worths are too high for the best patterns.
  const double best = std::max(1.0, values_[kWhole]);
  for (Size& size : sizes_) size.worth /= best;
  for (double& value : values_) value /= best;
}

double CardPatterns::Spoiled(int32_t idle, int32_t share) const {
  const int before = idle / 10, milli = std::min(MilliOf(share), before);
  return std::max(0.0, values_[before] - values_[before - milli] - worths_[milli]);
}

}  // namespace xpool::scheduler
