#include "opencl/type_size.h"

#include <gtest/gtest.h>

namespace xpool {
namespace {

TEST(TypeSizeTest, ScalarsAndVectorsHaveTheirSize) {
  EXPECT_EQ(TypeBytes("float"), 4u);
  EXPECT_EQ(TypeBytes("unsigned long"), 8u);
  EXPECT_EQ(TypeBytes("uchar16"), 16u);
  EXPECT_EQ(TypeBytes("int3"), 16u);
  EXPECT_EQ(TypeBytes("double2"), 16u);
}

TEST(TypeSizeTest, OtherTypesAreNotKnown) {
  for (const char* name : {"", "float*", "struct point", "point", "image2d_t", "int5", "int44", "size_t", "4"})
    EXPECT_EQ(TypeBytes(name), std::nullopt) << name;
}

}  // namespace
}  // namespace xpool
