#include "opencl/info.h"

#include <gtest/gtest.h>

namespace xpool {
namespace {

TEST(InfoOutTest, AsksForTheSizeOnly) {
  size_t size = 0;
  EXPECT_EQ(InfoOut(0, nullptr, &size).String("abc"), CL_SUCCESS);
  EXPECT_EQ(size, 4u);
}

TEST(InfoOutTest, TooSmallAValueIsInvalidAndLeftAlone) {
  cl_uint value = 7;
  size_t size = 99;
  EXPECT_EQ(InfoOut(3, &value, &size).Value(cl_uint{1}), CL_INVALID_VALUE);
  EXPECT_EQ(value, 7u);
  EXPECT_EQ(size, 99u);
}

TEST(InfoOutTest, LargerValueIsFilledAtItsStart) {
  cl_uint values[2] = {7, 7};
  size_t size = 0;
  EXPECT_EQ(InfoOut(sizeof(values), values, &size).Value(cl_uint{1}), CL_SUCCESS);
  EXPECT_EQ(values[0], 1u);
  EXPECT_EQ(values[1], 7u);
  EXPECT_EQ(size, sizeof(cl_uint));
}

TEST(InfoOutTest, EmptyAnswerHasSizeZero) {
  cl_uint value = 7;
  size_t size = 99;
  EXPECT_EQ(InfoOut(sizeof(value), &value, &size).Array(std::vector<cl_uint>()), CL_SUCCESS);
  EXPECT_EQ(size, 0u);
  EXPECT_EQ(value, 7u);
}

TEST(CopyPropertiesTest, KeepsPairsAndTheFinalZero) {
  const cl_context_properties list[] = {1, 0, 2, 5, 0};
  EXPECT_EQ(CopyProperties(list), (std::vector<cl_context_properties>{1, 0, 2, 5, 0}));
  const cl_context_properties empty[] = {0};
  EXPECT_EQ(CopyProperties(empty), (std::vector<cl_context_properties>{0}));
  EXPECT_TRUE(CopyProperties<cl_context_properties>(nullptr).empty());
}

}  // namespace
}  // namespace xpool
