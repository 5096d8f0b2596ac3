#include "shim/opencl/validate_launch.h"

#include <gtest/gtest.h>

namespace xpool::cl {
namespace {

DeviceLimits Device() {
  DeviceLimits limits;
  limits.work_item_sizes = {256, 256, 64};
  limits.work_group_size = 256;
  return limits;
}

constexpr KernelLimits kKernel{.work_group_size = 128};

cl_int Check(cl_uint dim, std::initializer_list<size_t> global, std::initializer_list<size_t> local,
             const DeviceLimits& device = Device(), const KernelLimits& kernel = kKernel) {
  return CheckLaunch(device, kernel, dim, nullptr, global.begin(), local.size() != 0 ? local.begin() : nullptr);
}

TEST(CheckLaunch, DimensionsAreOneToThree) {
  EXPECT_EQ(Check(0, {1}, {}), CL_INVALID_WORK_DIMENSION);
  EXPECT_EQ(Check(4, {1, 1, 1, 1}, {}), CL_INVALID_WORK_DIMENSION);
  EXPECT_EQ(Check(3, {1, 1, 1}, {}), CL_SUCCESS);
}

TEST(CheckLaunch, EmptyGlobalSizesDependOnTheVersion) {
  EXPECT_EQ(Check(1, {0}, {}), CL_INVALID_GLOBAL_WORK_SIZE);
  EXPECT_EQ(CheckLaunch(Device(), kKernel, 1, nullptr, nullptr, nullptr), CL_INVALID_GLOBAL_WORK_SIZE);
  DeviceLimits newer = Device();
  newer.zero_work_sizes = true;
  EXPECT_EQ(Check(1, {0}, {}, newer), CL_SUCCESS);
}

TEST(CheckLaunch, OffsetPlusSizeMustNotWrap) {
  const size_t offset = SIZE_MAX - 3, global = 8;
  EXPECT_EQ(CheckLaunch(Device(), kKernel, 1, &offset, &global, nullptr), CL_INVALID_GLOBAL_OFFSET);
}

TEST(CheckLaunch, SizesMustFitTheDevicesAddresses) {
  DeviceLimits small = Device();
  small.address_bits = 32;
  EXPECT_EQ(Check(1, {size_t{1} << 33}, {}, small), CL_INVALID_GLOBAL_WORK_SIZE);
}

TEST(CheckLaunch, LocalSizesMustFitDeviceAndKernel) {
  EXPECT_EQ(Check(1, {512}, {512}), CL_INVALID_WORK_ITEM_SIZE);
  EXPECT_EQ(Check(1, {256}, {256}), CL_INVALID_WORK_GROUP_SIZE);  // the kernel allows 128
  EXPECT_EQ(Check(2, {64, 64}, {64, 4}), CL_INVALID_WORK_GROUP_SIZE);
  EXPECT_EQ(Check(1, {256}, {128}), CL_SUCCESS);
  EXPECT_EQ(Check(1, {256}, {0}), CL_INVALID_WORK_GROUP_SIZE);
}

TEST(CheckLaunch, LocalSizesMustDivideUnlessTheDeviceAllowsRemainders) {
  EXPECT_EQ(Check(1, {100}, {64}), CL_INVALID_WORK_GROUP_SIZE);
  DeviceLimits lenient = Device();
  lenient.non_uniform_work_groups = true;
  EXPECT_EQ(Check(1, {100}, {64}, lenient), CL_SUCCESS);
}

TEST(CheckLaunch, ARequiredGroupSizeMustMatch) {
  const KernelLimits required{.work_group_size = 128, .required_group_size = {16, 4, 1}};
  EXPECT_EQ(Check(2, {64, 64}, {16, 4}, Device(), required), CL_SUCCESS);
  EXPECT_EQ(Check(2, {64, 64}, {4, 16}, Device(), required), CL_INVALID_WORK_GROUP_SIZE);
  EXPECT_EQ(Check(2, {64, 64}, {}, Device(), required), CL_SUCCESS);
}

}  // namespace
}  // namespace xpool::cl
