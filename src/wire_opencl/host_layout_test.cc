#include "wire_opencl/host_layout.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace xpool::wire_cl {
namespace {

constexpr size_t kOrigin[3] = {};

std::vector<std::byte> Counted(size_t bytes) {
  std::vector<std::byte> data(bytes);
  for (size_t i = 0; i < bytes; ++i) data[i] = static_cast<std::byte>(i);
  return data;
}

TEST(HostLayoutTest, RectangleOfPitchesTakesItsRowsOnly) {
  const size_t origin[3] = {1, 2, 1}, region[3] = {3, 2, 2};
  const auto layout = RectLayout(origin, region, 5, 25);
  ASSERT_TRUE(layout.ok());
  EXPECT_EQ(layout->bytes(), 12u);
  EXPECT_FALSE(layout->dense());
  const auto host = Counted(100);
  std::vector<std::byte> packed(layout->bytes());
  Pack(*layout, host.data(), packed.data());
  const std::vector<int> first = {36, 37, 38, 41, 42, 43, 61, 62, 63, 66, 67, 68};
  for (size_t i = 0; i < first.size(); ++i) EXPECT_EQ(static_cast<int>(packed[i]), first[i]) << i;
}

TEST(HostLayoutTest, UnpackWritesNoGap) {
  const size_t region[3] = {3, 2, 2};
  const auto layout = RectLayout(kOrigin, region, 4, 10);
  ASSERT_TRUE(layout.ok());
  std::vector<std::byte> host(20, std::byte{0xee});
  Unpack(*layout, Counted(12).data(), host.data());
  std::vector<std::byte> back(12);
  Pack(*layout, host.data(), back.data());
  EXPECT_EQ(back, Counted(12));
  for (const size_t gap : {3, 7, 8, 9, 13, 17, 18, 19}) EXPECT_EQ(host[gap], std::byte{0xee}) << gap;
}

TEST(HostLayoutTest, PitchesOfZeroArePacked) {
  const size_t region[3] = {3, 2, 2};
  const auto layout = RectLayout(kOrigin, region, 0, 0);
  ASSERT_TRUE(layout.ok());
  EXPECT_TRUE(layout->dense());
  EXPECT_EQ(layout->bytes(), 12u);
}

TEST(HostLayoutTest, SmallPitchesEmptyRegionsAndOverflowsAreRefused) {
  const size_t region[3] = {8, 4, 2}, empty[3] = {8, 0, 2}, far[3] = {0, 0, SIZE_MAX / 2};
  EXPECT_FALSE(RectLayout(kOrigin, region, 7, 0).ok());
  EXPECT_FALSE(RectLayout(kOrigin, region, 8, 31).ok());
  EXPECT_FALSE(RectLayout(kOrigin, empty, 0, 0).ok());
  EXPECT_FALSE(RectLayout(far, region, 0, 0).ok());
  for (size_t i = 0; i < 3; ++i) {
    size_t huge[3] = {8, 4, 2};
    huge[i] = SIZE_MAX / 4;
    EXPECT_FALSE(RectLayout(kOrigin, huge, 0, 0).ok()) << i;
  }
  EXPECT_FALSE(RectLayout(kOrigin, region, SIZE_MAX / 2, 0).ok());
  EXPECT_FALSE(ImageRegionLayout({CL_MEM_OBJECT_IMAGE2D, 16}, far, 0, 0).ok());
}

TEST(HostLayoutTest, LayersOfA1dArrayAreASlicePitchApart) {
  const size_t region[3] = {4, 3, 1};
  const auto layout = ImageRegionLayout({CL_MEM_OBJECT_IMAGE1D_ARRAY, 4}, region, 16, 40);
  ASSERT_TRUE(layout.ok());
  EXPECT_EQ(layout->rows, 3u);
  EXPECT_EQ(layout->row_pitch, 40u);
  EXPECT_EQ(layout->bytes(), 48u);
}

TEST(HostLayoutTest, ImageDataFollowsTheImagesType) {
  const cl_image_format rgba8{CL_RGBA, CL_UNORM_INT8};
  cl_image_desc desc{};
  desc.image_width = 5;
  desc.image_height = 3;
  desc.image_depth = 2;
  desc.image_array_size = 7;
  const std::pair<cl_mem_object_type, uint64_t> cases[] = {
      {CL_MEM_OBJECT_IMAGE1D, 20},        {CL_MEM_OBJECT_IMAGE1D_ARRAY, 140}, {CL_MEM_OBJECT_IMAGE2D, 60},
      {CL_MEM_OBJECT_IMAGE2D_ARRAY, 420}, {CL_MEM_OBJECT_IMAGE3D, 120},
  };
  for (const auto& [type, bytes] : cases) {
    desc.image_type = type;
    const auto layout = ImageDataLayout(rgba8, desc);
    ASSERT_TRUE(layout.ok()) << type;
    EXPECT_EQ(layout->bytes(), bytes) << type;
  }
  desc.image_type = CL_MEM_OBJECT_BUFFER;
  EXPECT_FALSE(ImageDataLayout(rgba8, desc).ok());
  EXPECT_FALSE(ImageRowsLayout({CL_RGBA, 1}, 5, 3, 0).ok()) << "a format that is none";
}

}  // namespace
}  // namespace xpool::wire_cl
