// A text of several PEM blocks, taken apart strictly, so that a file that was cut or put together wrongly is said to be
// so, with the line. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace xpool::pki {

struct PemBlock {
  std::string label;      // "CERTIFICATE"
  std::string_view text;  // with its first and last line
  int line = 0;           // of its beginning, from 1
};

inline constexpr size_t kMostPemBlocks = 32;

// What stands between blocks is for people and skipped, as long as it does not look like a part of one. DATA_LOSS for a
// block without an end, and for too many of them.
// The blocks point into |text|.
absl::StatusOr<std::vector<PemBlock>> SplitPem(std::string_view text);

// "line 12: WHAT: OpenSSL's reason", and empties OpenSSL's queue of errors.
absl::Status BadBlock(const PemBlock& block, const std::string& what);

}  // namespace xpool::pki
