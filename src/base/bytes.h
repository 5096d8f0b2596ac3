// Byte counts as people write and read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace xpool {

inline constexpr uint64_t kKiB = 1024;
inline constexpr uint64_t kMiB = 1024 * kKiB;
inline constexpr uint64_t kGiB = 1024 * kMiB;

// Parses "512Mi", "512MiB", "2Gi", "1.5Gi", "800M" (decimal, as in Kubernetes), "4096". Zero, negatives, nonsense and
// anything past 2^63 are INVALID_ARGUMENT.
absl::StatusOr<uint64_t> ParseBytes(std::string_view text);

// "512Mi", "1.5Gi", "100" : the largest binary unit that keeps at most two decimals.
std::string FormatBytes(uint64_t bytes);

}  // namespace xpool
