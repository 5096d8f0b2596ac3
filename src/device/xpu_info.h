// What the agent knows of one XPU, and its form as one line of JSON, in which the probing child reports it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace xpool {

struct XpuInfo {
  std::string id;  // "xpu0"; given by the agent, empty in a probe's report
  std::string name, vendor, driver_version, platform_name;
  std::string driver_library;  // as dlopen takes it
  uint32_t platform_index = 0, device_index = 0;
  std::string type;  // "CPU", "GPU", "ACCELERATOR"
  uint32_t compute_units = 0;
  uint64_t memory_bytes = 0;

  bool is_cpu() const { return type == "CPU"; }
  // What makes it the same XPU at the next start: driver, position and name.
  std::string Key() const;
};

// One line without the newline. Bytes that are not UTF-8 are replaced.
std::string ToJsonLine(const XpuInfo& xpu);

// INVALID_ARGUMENT for anything that ToJsonLine() would not write: the line comes from a process in which a driver ran.
absl::StatusOr<XpuInfo> FromJsonLine(std::string_view line);

}  // namespace xpool
