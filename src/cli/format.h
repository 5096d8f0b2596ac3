// Numbers and times as people read them on a terminal. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace xpool::cli {

// "30.1%"; "-" for a value that could not be measured (NaN).
std::string FormatFraction(double fraction);

// "850 ns", "12.3 us", "4.56 ms", "1.20 s", "2m05s".
std::string FormatDuration(int64_t ns);

// Of a remote client: the time; nothing before it was measured.
std::string FormatRoundTrip(int64_t ns);
// How often it came back, of how often it was connected.
std::string FormatReconnects(uint64_t connections);

// How long ago, as kubectl prints it: "45s", "12m", "3h", "5d". Never negative.
std::string FormatAge(int64_t seconds);

// "0", "12.5", "940", "1.2k", "35M".
std::string FormatCount(double value);

// Local time "2026-01-31 14:05:09.123".
std::string FormatTime(int64_t unix_ns);

// |text| with control characters replaced by '?': names come from other people's processes and must not drive the
// terminal.
std::string Printable(std::string_view text);

// The number of character cells |text| takes (code points; no wide characters expected).
size_t DisplayWidth(std::string_view text);

}  // namespace xpool::cli
