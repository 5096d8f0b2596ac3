#include "cli/format.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "base/clock.h"

namespace xpool::cli {

std::string FormatFraction(double fraction) {
  if (std::isnan(fraction)) return "-";
  return absl::StrFormat("%.1f%%", fraction * 100);
}

std::string FormatDuration(int64_t ns) {
  if (ns < 0) return "-" + FormatDuration(-ns);
  const double value = static_cast<double>(ns);
  if (ns < kNsPerUs) return absl::StrFormat("%d ns", ns);
  if (ns < kNsPerMs) return absl::StrFormat("%.1f us", value / kNsPerUs);
  if (ns < kNsPerSec) return absl::StrFormat("%.2f ms", value / kNsPerMs);
  if (ns < 60 * kNsPerSec) return absl::StrFormat("%.2f s", value / kNsPerSec);
  const int64_t seconds = ns / kNsPerSec;
  return absl::StrFormat("%dm%02ds", seconds / 60, seconds % 60);
}

std::string FormatRoundTrip(int64_t ns) { return ns == 0 ? "" : FormatDuration(ns); }

std::string FormatReconnects(uint64_t connections) { return absl::StrCat(connections > 0 ? connections - 1 : 0); }

std::string FormatAge(int64_t seconds) {
  seconds = std::max<int64_t>(seconds, 0);
  if (seconds < 120) return absl::StrCat(seconds, "s");
  if (seconds < 2 * 3600) return absl::StrCat(seconds / 60, "m");
  if (seconds < 2 * 86400) return absl::StrCat(seconds / 3600, "h");
  return absl::StrCat(seconds / 86400, "d");
}

std::string FormatCount(double value) {
  if (std::isnan(value)) return "-";
  if (value < 100 && value != std::floor(value)) return absl::StrFormat("%.1f", value);
  if (value < 1000) return absl::StrFormat("%.0f", value);
  constexpr std::array<const char*, 4> kUnits = {"k", "M", "G", "T"};
  size_t unit = 0;
  value /= 1000;
  while (value >= 999.95 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return absl::StrFormat("%.*f%s", value < 10 ? 1 : 0, value, kUnits[unit]);
}

std::string FormatTime(int64_t unix_ns) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%E3S", absl::FromUnixNanos(unix_ns), absl::LocalTimeZone());
}

std::string Printable(std::string_view text) {
  std::string clean(text);
  for (char& c : clean) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return clean;
}

size_t DisplayWidth(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace xpool::cli
