#include "opencl/image.h"

#include <gtest/gtest.h>

namespace xpool {
namespace {

using Extent = std::array<size_t, 3>;

// As of a driver: what the type does not use is there all the same.
cl_image_desc Desc(cl_mem_object_type type) {
  cl_image_desc desc{};
  desc.image_type = type;
  desc.image_width = 7;
  desc.image_height = 5;
  desc.image_depth = 3;
  desc.image_array_size = 2;
  desc.image_row_pitch = 32;
  desc.image_slice_pitch = 200;
  return desc;
}

TEST(ImageTest, ExtentHasTheCoordinatesOfTheType) {
  EXPECT_EQ(ImageExtent(Desc(CL_MEM_OBJECT_IMAGE1D)), (Extent{7, 1, 1}));
  EXPECT_EQ(ImageExtent(Desc(CL_MEM_OBJECT_IMAGE1D_BUFFER)), (Extent{7, 1, 1}));
  EXPECT_EQ(ImageExtent(Desc(CL_MEM_OBJECT_IMAGE1D_ARRAY)), (Extent{7, 2, 1}));
  EXPECT_EQ(ImageExtent(Desc(CL_MEM_OBJECT_IMAGE2D)), (Extent{7, 5, 1}));
  EXPECT_EQ(ImageExtent(Desc(CL_MEM_OBJECT_IMAGE2D_ARRAY)), (Extent{7, 5, 2}));
  EXPECT_EQ(ImageExtent(Desc(CL_MEM_OBJECT_IMAGE3D)), (Extent{7, 5, 3}));
}

TEST(ImageTest, LayersOfAOneDimensionalArrayAreASlicePitchApart) {
  const size_t origin[] = {2, 1, 0};
  EXPECT_EQ(PixelOffset(Desc(CL_MEM_OBJECT_IMAGE2D), 4, origin), 2u * 4 + 32);
  EXPECT_EQ(PixelOffset(Desc(CL_MEM_OBJECT_IMAGE1D_ARRAY), 4, origin), 2u * 4 + 200);
}

}  // namespace
}  // namespace xpool
