// Any bytes as a line of a probing child's report: a driver has run in that process, so the line may be anything. What
// is taken must be what would be written again.
#include <cstddef>
#include <cstdint>

#include "check.h"
#include "device/xpu_info.h"
#include "input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace xpool;
  using namespace fuzz;
  const auto xpu = FromJsonLine(TextOf(data, size));
  if (!xpu.ok()) return 0;
  const std::string line = ToJsonLine(*xpu);
  const auto again = FromJsonLine(line);
  Check(line.find('\n') == std::string::npos && again.ok() && ToJsonLine(*again) == line);
  return 0;
}
