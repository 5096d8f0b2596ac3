#include "device/xpu_info.h"

#include <gtest/gtest.h>

namespace xpool {
namespace {

XpuInfo Sample() {
  XpuInfo xpu;
  xpu.name = "pthread-\"x\"\n";
  xpu.vendor = "V\xff";  // not UTF-8
  xpu.driver_library = "libpocl.so.2";
  xpu.type = "CPU";
  xpu.platform_index = 1;
  xpu.device_index = 2;
  xpu.compute_units = 8;
  xpu.memory_bytes = uint64_t{3} << 33;
  return xpu;
}

TEST(XpuInfoTest, SurvivesTheTripThroughALine) {
  const std::string line = ToJsonLine(Sample());
  EXPECT_EQ(line.find('\n'), std::string::npos);
  auto xpu = FromJsonLine(line);
  ASSERT_TRUE(xpu.ok()) << xpu.status();
  EXPECT_EQ(xpu->name, Sample().name);
  EXPECT_EQ(xpu->Key(), Sample().Key());
  EXPECT_EQ(xpu->memory_bytes, Sample().memory_bytes);
  EXPECT_TRUE(xpu->is_cpu());
}

TEST(XpuInfoTest, RefusesWhatNoProbeWrites) {
  for (const char* line : {"", "{", "[]", "null", "{}", R"({"name":1})", "\x01\x02"}) {
    EXPECT_EQ(FromJsonLine(line).status().code(), absl::StatusCode::kInvalidArgument) << line;
  }
  std::string line = ToJsonLine(Sample());
  line.replace(line.find("\"compute_units\":8"), 17, "\"compute_units\":-8");
  EXPECT_FALSE(FromJsonLine(line).ok());
}

}  // namespace
}  // namespace xpool
