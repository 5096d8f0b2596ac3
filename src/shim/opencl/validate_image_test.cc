#include "shim/opencl/validate_image.h"

#include <gtest/gtest.h>

namespace xpool::cl {
namespace {

int root_a, root_b;

ImageFacts Image2d(const void* root = &root_a) {
  return {.size = {64, 32, 1}, .dimensions = 2, .format = {CL_RGBA, CL_UNORM_INT8}, .element_bytes = 4, .root = root};
}

constexpr size_t kZero[3] = {0, 0, 0};
constexpr size_t kWhole[3] = {64, 32, 1};

TEST(CheckRegion, MustLieInsideTheImage) {
  const size_t too_wide[3] = {65, 32, 1}, empty[3] = {0, 32, 1}, deep[3] = {64, 32, 2}, one[3] = {1, 0, 0};
  EXPECT_EQ(CheckRegion(Image2d(), kZero, kWhole), CL_SUCCESS);
  EXPECT_EQ(CheckRegion(Image2d(), kZero, too_wide), CL_INVALID_VALUE);
  EXPECT_EQ(CheckRegion(Image2d(), kZero, empty), CL_INVALID_VALUE);
  EXPECT_EQ(CheckRegion(Image2d(), kZero, deep), CL_INVALID_VALUE);
  EXPECT_EQ(CheckRegion(Image2d(), one, kWhole), CL_INVALID_VALUE);
  EXPECT_EQ(CheckRegion(Image2d(), nullptr, kWhole), CL_INVALID_VALUE);
}

TEST(CheckRegion, ADeviceWithoutImagesRefuses) {
  ImageFacts facts = Image2d();
  facts.supported = false;
  EXPECT_EQ(CheckRegion(facts, kZero, kWhole), CL_INVALID_OPERATION);
}

TEST(CheckImageTransfer, PitchesMustHoldTheRegion) {
  char byte = 0;
  const auto check = [&](const ImageFacts& facts, size_t row, size_t slice) {
    return CheckImageTransfer(facts, HostAccess::kWrite, kZero, kWhole, row, slice, &byte);
  };
  EXPECT_EQ(check(Image2d(), 0, 0), CL_SUCCESS);
  EXPECT_EQ(check(Image2d(), 256, 0), CL_SUCCESS);
  EXPECT_EQ(check(Image2d(), 255, 0), CL_INVALID_VALUE);
  EXPECT_EQ(check(Image2d(), 0, 256 * 32), CL_INVALID_VALUE);  // a 2D image has no slices
  ImageFacts array = Image2d();
  array.dimensions = 3;
  array.has_slices = true;
  EXPECT_EQ(check(array, 0, 256 * 32), CL_SUCCESS);
  EXPECT_EQ(check(array, 0, 256 * 32 - 1), CL_INVALID_VALUE);
}

TEST(CheckImageCopy, FormatsMustMatch) {
  ImageFacts other = Image2d(&root_b);
  EXPECT_EQ(CheckImageCopy(Image2d(), other, kZero, kZero, kWhole), CL_SUCCESS);
  other.format.image_channel_data_type = CL_FLOAT;
  EXPECT_EQ(CheckImageCopy(Image2d(), other, kZero, kZero, kWhole), CL_IMAGE_FORMAT_MISMATCH);
}

TEST(CheckImageCopy, RegionsOfOneImageMustNotOverlap) {
  const size_t half[3] = {32, 32, 1}, right[3] = {32, 0, 0}, nearly[3] = {31, 0, 0};
  EXPECT_EQ(CheckImageCopy(Image2d(), Image2d(), kZero, right, half), CL_SUCCESS);
  EXPECT_EQ(CheckImageCopy(Image2d(), Image2d(), kZero, nearly, half), CL_MEM_COPY_OVERLAP);
}

TEST(CheckImageBufferCopy, TheBufferMustHoldTheRegion) {
  const size_t bytes = 64 * 32 * 4;
  EXPECT_EQ(RegionBytes(Image2d(), kWhole), bytes);
  EXPECT_EQ(CheckImageBufferCopy(Image2d(), {.size = bytes}, kZero, kWhole, 0), CL_SUCCESS);
  EXPECT_EQ(CheckImageBufferCopy(Image2d(), {.size = bytes}, kZero, kWhole, 1), CL_INVALID_VALUE);
}

}  // namespace
}  // namespace xpool::cl
