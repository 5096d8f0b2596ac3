// Any bytes as a line of a probing child's report: a driver has run in that process, so the line may be anything. What
// is taken must be what would be written again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "device/xpu_info.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto xpu = xpool::FromJsonLine({reinterpret_cast<const char*>(data), size});
  if (!xpu.ok()) return 0;
  const std::string line = xpool::ToJsonLine(*xpu);
  const auto again = xpool::FromJsonLine(line);
  if (line.find('\n') != std::string::npos || !again.ok() || xpool::ToJsonLine(*again) != line) std::abort();
  return 0;
}
