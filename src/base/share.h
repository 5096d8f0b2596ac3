// A share of one XPU's time, kept as an exact count of hundredths of a percent so that sums of shares never drift.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace xpool {

class Share {
 public:
  constexpr Share() = default;
  static constexpr Share FromBasisPoints(int64_t bp) { return Share(static_cast<int32_t>(bp)); }
  static constexpr Share FromPercent(int64_t percent) { return Share(static_cast<int32_t>(percent * 100)); }
  static constexpr Share Full() { return Share(10'000); }

  // Parses what people write: "30%", "30", "12.5%", "0.3" is 0.3 %. The value must lie in (0, 100] %, with at most two
  // decimals; INVALID_ARGUMENT says what was wrong.
  static absl::StatusOr<Share> Parse(std::string_view text);

  constexpr int32_t basis_points() const { return bp_; }
  constexpr double fraction() const { return bp_ / 10'000.0; }

  // "30%", "12.5%".
  std::string ToString() const;

  constexpr auto operator<=>(const Share&) const = default;

 private:
  explicit constexpr Share(int32_t bp) : bp_(bp) {}
  int32_t bp_ = 0;
};

}  // namespace xpool
