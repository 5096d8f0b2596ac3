#include "base/share.h"

#include "absl/strings/str_format.h"
#include "base/status.h"

namespace xpool {
namespace {

absl::Status BadShare(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrFormat(
      "share \"%s\" %s; write a percentage above 0 and up to 100 with at most two decimals, such as 30%% or 12.5%%",
      std::string(text), std::string(why)));
}

}  // namespace

absl::StatusOr<Share> Share::Parse(std::string_view text) {
  std::string_view digits = text;
  if (digits.ends_with('%')) digits.remove_suffix(1);
  int64_t bp = 0;
  int decimals = -1;  // -1 until the point was seen
  bool any_digit = false;
  for (char c : digits) {
    if (c == '.' && decimals < 0) {
      decimals = 0;
      continue;
    }
    if (c < '0' || c > '9') return BadShare(text, "is not a number");
    if (decimals == 2) return BadShare(text, "has more than two decimals");
    any_digit = true;
    bp = bp * 10 + (c - '0');
    if (decimals >= 0) ++decimals;
    if (bp > 1'000'000) return BadShare(text, "is above 100%");
  }
  if (!any_digit) return BadShare(text, "is not a number");
  for (int i = decimals < 0 ? 0 : decimals; i < 2; ++i) bp *= 10;
  if (bp > 10'000) return BadShare(text, "is above 100%");
  if (bp == 0) return BadShare(text, "is zero");
  return FromBasisPoints(bp);
}

std::string Share::ToString() const {
  if (bp_ % 100 == 0) return absl::StrFormat("%d%%", bp_ / 100);
  if (bp_ % 10 == 0) return absl::StrFormat("%d.%d%%", bp_ / 100, bp_ / 10 % 10);
  return absl::StrFormat("%d.%02d%%", bp_ / 100, bp_ % 100);
}

}  // namespace xpool
