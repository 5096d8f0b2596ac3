#include "base/random.h"

#include <sys/random.h>

#include "base/status.h"

namespace xpool {

absl::Status FillRandom(std::span<std::byte> bytes) {
  if (getrandom(bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size())) return absl::OkStatus();
  return ErrnoStatus("getrandom");
}

}  // namespace xpool
