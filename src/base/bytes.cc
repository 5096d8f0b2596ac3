#include "base/bytes.h"

#include <array>
#include <cstdio>

#include "base/status.h"

namespace xpool {
namespace {

struct Unit {
  std::string_view name;
  uint64_t bytes;
};
constexpr std::array<Unit, 22> kUnits = {{{"", 1},
                                          {"B", 1},
                                          {"Ki", kKiB},
                                          {"KiB", kKiB},
                                          {"Mi", kMiB},
                                          {"MiB", kMiB},
                                          {"Gi", kGiB},
                                          {"GiB", kGiB},
                                          {"Ti", 1024 * kGiB},
                                          {"TiB", 1024 * kGiB},
                                          {"k", 1000},
                                          {"K", 1000},
                                          {"kB", 1000},
                                          {"KB", 1000},
                                          {"M", 1'000'000},
                                          {"MB", 1'000'000},
                                          {"G", 1'000'000'000},
                                          {"GB", 1'000'000'000},
                                          {"T", 1'000'000'000'000},
                                          {"TB", 1'000'000'000'000},
                                          {"g", kGiB},
                                          {"m", kMiB}}};  // docker's -m 512m, 2g

absl::Status BadBytes(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("size \"", std::string(text), "\" ", std::string(why),
                                                 "; write a number with an optional unit, such as 512Mi or 2Gi"));
}

}  // namespace

absl::StatusOr<uint64_t> ParseBytes(std::string_view text) {
  const size_t end = text.find_first_not_of("0123456789.");
  const std::string_view number = text.substr(0, end);
  const std::string_view unit_name = end == std::string_view::npos ? "" : text.substr(end);
  uint64_t unit = 0;
  for (const Unit& u : kUnits) {
    if (u.name == unit_name) unit = u.bytes;
  }
  if (unit == 0) return BadBytes(text, "has no unit known here");

  unsigned __int128 value = 0;
  unsigned __int128 divisor = 1;
  bool point = false, any_digit = false;
  for (char c : number) {
    if (c == '.') {
      if (point) return BadBytes(text, "is not a number");
      point = true;
      continue;
    }
    any_digit = true;
    value = value * 10 + static_cast<unsigned>(c - '0');
    if (point) divisor *= 10;
    if (value > (unsigned __int128){1} << 63 || divisor > 1'000'000'000)
      return BadBytes(text, "is too large or too precise");
  }
  if (!any_digit) return BadBytes(text, "is not a number");
  const unsigned __int128 bytes = value * unit / divisor;
  if (bytes > (unsigned __int128){1} << 63) return BadBytes(text, "is too large");
  if (bytes == 0) return BadBytes(text, "is zero");
  return static_cast<uint64_t>(bytes);
}

std::string FormatBytes(uint64_t bytes) {
  constexpr std::array<Unit, 4> kPrinted = {{{"Ti", 1024 * kGiB}, {"Gi", kGiB}, {"Mi", kMiB}, {"Ki", kKiB}}};
  for (const Unit& unit : kPrinted) {
    if (bytes < unit.bytes) continue;
    // Not absl::StrFormat: Debian's archive of it cannot be linked into a guest library.
    char digits[32];
    std::snprintf(digits, sizeof(digits), "%.2f", static_cast<double>(bytes) / static_cast<double>(unit.bytes));
    std::string text = digits;
    while (text.back() == '0') text.pop_back();
    if (text.back() == '.') text.pop_back();
    return text + std::string(unit.name);
  }
  return absl::StrCat(bytes);
}

}  // namespace xpool
