#include "opencl/pixel.h"

#include <gtest/gtest.h>

namespace xpool {
namespace {

TEST(PixelTest, BytesAreThoseOfTheFormat) {
  EXPECT_EQ(PixelBytes({CL_RGBA, CL_FLOAT}), 16u);
  EXPECT_EQ(PixelBytes({CL_RG, CL_HALF_FLOAT}), 4u);
  EXPECT_EQ(PixelBytes({CL_DEPTH, CL_UNORM_INT16}), 2u);
  EXPECT_EQ(PixelBytes({CL_RGB, CL_UNORM_SHORT_565}), 2u);
  EXPECT_EQ(PixelBytes({0, CL_FLOAT}), 0u);
}

TEST(PixelTest, UnknownFormatsCountAsTheCallerSays) {
  EXPECT_EQ(PixelBytes({CL_RGBA, 1}), 0u);
  EXPECT_EQ(PixelBytes({CL_RG, 1}, 4, 2), 4u);
  EXPECT_EQ(PixelBytes({0, CL_FLOAT}, 4, 2), 16u);
  EXPECT_EQ(PixelBytes({0, CL_UNORM_SHORT_565}, 4, 2), 2u);
}

}  // namespace
}  // namespace xpool
