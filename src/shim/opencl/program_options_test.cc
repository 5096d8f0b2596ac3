#include "shim/opencl/program_options.h"

#include <gtest/gtest.h>

namespace xpool::cl {
namespace {

TEST(ProgramOptionsTest, AddedOptionIsHiddenAgain) {
  for (const char* options : {"", "-DX=1", "-w  -I dir"}) {
    const auto extended = WithArgInfo(options);
    ASSERT_TRUE(extended.has_value());
    EXPECT_EQ(WithoutArgInfo(*extended), options);
  }
  EXPECT_EQ(WithArgInfo(nullptr), "-cl-kernel-arg-info");
}

TEST(ProgramOptionsTest, ProgramsOwnOptionIsNotDoubled) {
  EXPECT_FALSE(WithArgInfo("-cl-kernel-arg-info -DX").has_value());
  EXPECT_EQ(WithoutArgInfo("-DX"), "-DX");
}

}  // namespace
}  // namespace xpool::cl
