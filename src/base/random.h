// Random bytes that nobody can guess, of the kernel.
#pragma once

#include <cstddef>
#include <span>

#include "absl/status/status.h"

namespace xpool {

// At most 256 bytes at once.
absl::Status FillRandom(std::span<std::byte> bytes);

}  // namespace xpool
