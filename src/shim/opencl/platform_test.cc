#include "shim/opencl/platform.h"

#include <CL/cl_icd.h>

#include <string>

#include "shim/opencl/driver_info.h"
#include "shim/opencl/test_fixture.h"

namespace xpool::cl {
namespace {

using PlatformTest = SliceTest;

TEST_F(PlatformTest, IsTheOnlyOneAndKnowsItsSuffix) {
  cl_uint count = 0;
  EXPECT_EQ(entry::clIcdGetPlatformIDsKHR(0, nullptr, &count), CL_SUCCESS);
  EXPECT_EQ(count, 1u);
  EXPECT_EQ(entry::clIcdGetPlatformIDsKHR(0, nullptr, nullptr), CL_INVALID_VALUE);
  size_t size = 0;
  EXPECT_EQ(entry::clGetPlatformInfo(platform_, CL_PLATFORM_ICD_SUFFIX_KHR, 0, nullptr, &size), CL_SUCCESS);
  EXPECT_GT(size, 1u);
}

TEST_F(PlatformTest, PassesTheDriversNameAndOffersOnlyWhatItHandles) {
  const Platform& own = *Platform::Current();
  const auto text = [](auto call, auto handle, cl_uint param) {
    return QueryString([&](size_t size, void* value, size_t* ret) { return call(handle, param, size, value, ret); });
  };
  EXPECT_NE(platform_, own.driver);
  EXPECT_EQ(text(&entry::clGetPlatformInfo, platform_, CL_PLATFORM_NAME),
            text(own.api->clGetPlatformInfo, own.driver, CL_PLATFORM_NAME));
  EXPECT_NE(text(&entry::clGetPlatformInfo, platform_, CL_PLATFORM_EXTENSIONS).find("cl_khr_icd"), std::string::npos);
  EXPECT_EQ(text(&entry::clGetDeviceInfo, device_, CL_DEVICE_EXTENSIONS).find("cl_khr_command_buffer"),
            std::string::npos);
}

TEST_F(PlatformTest, LooksUpOwnFunctionsOnly) {
  EXPECT_EQ(entry::clGetExtensionFunctionAddressForPlatform(platform_, "clCreateProgramWithILKHR"),
            reinterpret_cast<void*>(&entry::clCreateProgramWithILKHR));
  EXPECT_EQ(entry::clGetExtensionFunctionAddressForPlatform(nullptr, "clCreateBuffer"), nullptr);
  EXPECT_EQ(entry::clGetExtensionFunctionAddress("clCreateCommandBufferKHR"), nullptr);
  EXPECT_EQ(entry::clGetExtensionFunctionAddress(nullptr), nullptr);
}

TEST_F(PlatformTest, DeviceTypesSelect) {
  const cl_device_type type = Platform::Current()->devices.front()->type;
  const cl_device_type other = (type & CL_DEVICE_TYPE_GPU) != 0 ? CL_DEVICE_TYPE_CPU : CL_DEVICE_TYPE_GPU;
  cl_uint count = 7;
  cl_device_id device = nullptr;
  for (cl_device_type wanted : {cl_device_type{CL_DEVICE_TYPE_DEFAULT}, cl_device_type{CL_DEVICE_TYPE_ALL}, type}) {
    EXPECT_EQ(entry::clGetDeviceIDs(platform_, wanted, 1, &device, &count), CL_SUCCESS);
    EXPECT_EQ(device, device_);
    EXPECT_EQ(count, 1u);
  }
  EXPECT_EQ(entry::clGetDeviceIDs(platform_, other, 1, &device, &count), CL_DEVICE_NOT_FOUND);
  EXPECT_EQ(count, 0u);
  EXPECT_EQ(entry::clGetDeviceIDs(platform_, 0, 1, &device, nullptr), CL_INVALID_DEVICE_TYPE);
  EXPECT_EQ(entry::clGetDeviceIDs(platform_, CL_DEVICE_TYPE_ALL, 0, &device, nullptr), CL_INVALID_VALUE);
  EXPECT_EQ(entry::clGetDeviceIDs(platform_, CL_DEVICE_TYPE_ALL, 1, nullptr, nullptr), CL_INVALID_VALUE);
}

TEST_F(PlatformTest, DeviceHasTheSlicesMemory) {
  cl_ulong bytes = 0;
  EXPECT_EQ(entry::clGetDeviceInfo(device_, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof(bytes), &bytes, nullptr), CL_SUCCESS);
  EXPECT_EQ(bytes, kTestSliceBytes);
  EXPECT_EQ(entry::clGetDeviceInfo(device_, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof(bytes), &bytes, nullptr), CL_SUCCESS);
  EXPECT_LE(bytes, kTestSliceBytes);
  cl_platform_id platform = nullptr;
  EXPECT_EQ(entry::clGetDeviceInfo(device_, CL_DEVICE_PLATFORM, sizeof(platform), &platform, nullptr), CL_SUCCESS);
  EXPECT_EQ(platform, platform_);
}

TEST_F(PlatformTest, SubDevicesAreCountedAndKnowTheirParent) {
  const cl_device_partition_property by_counts[] = {CL_DEVICE_PARTITION_BY_COUNTS, 1,
                                                    CL_DEVICE_PARTITION_BY_COUNTS_LIST_END, 0};
  cl_device_id part = nullptr;
  cl_uint count = 0;
  if (entry::clCreateSubDevices(device_, by_counts, 1, &part, &count) != CL_SUCCESS)
    GTEST_SKIP() << "not partitionable";
  EXPECT_EQ(count, 1u);
  cl_device_id parent = nullptr;
  EXPECT_EQ(entry::clGetDeviceInfo(part, CL_DEVICE_PARENT_DEVICE, sizeof(parent), &parent, nullptr), CL_SUCCESS);
  EXPECT_EQ(parent, device_);
  EXPECT_EQ(entry::clRetainDevice(part), CL_SUCCESS);
  cl_uint references = 0;
  EXPECT_EQ(entry::clGetDeviceInfo(part, CL_DEVICE_REFERENCE_COUNT, sizeof(references), &references, nullptr),
            CL_SUCCESS);
  EXPECT_EQ(references, 2u);
  EXPECT_EQ(entry::clReleaseDevice(part), CL_SUCCESS);
  EXPECT_EQ(entry::clReleaseDevice(part), CL_SUCCESS);
}

TEST_F(PlatformTest, RootDeviceIsNotCounted) {
  EXPECT_EQ(entry::clReleaseDevice(device_), CL_SUCCESS);
  EXPECT_EQ(entry::clReleaseDevice(device_), CL_SUCCESS);
  cl_uint references = 0;
  EXPECT_EQ(entry::clGetDeviceInfo(device_, CL_DEVICE_REFERENCE_COUNT, sizeof(references), &references, nullptr),
            CL_SUCCESS);
  EXPECT_EQ(references, 1u);
  EXPECT_EQ(entry::clReleaseDevice(nullptr), CL_INVALID_DEVICE);
}

TEST_F(PlatformTest, ContextTakesOwnPlatformOnly) {
  cl_int error = CL_SUCCESS;
  cl_context_properties properties[] = {CL_CONTEXT_PLATFORM, reinterpret_cast<cl_context_properties>(platform_), 0};
  cl_context context = entry::clCreateContextFromType(properties, CL_DEVICE_TYPE_ALL, nullptr, nullptr, &error);
  ASSERT_EQ(error, CL_SUCCESS);
  cl_context_properties back[3] = {};
  EXPECT_EQ(entry::clGetContextInfo(context, CL_CONTEXT_PROPERTIES, sizeof(back), back, nullptr), CL_SUCCESS);
  EXPECT_EQ(back[1], properties[1]);
  EXPECT_EQ(entry::clReleaseContext(context), CL_SUCCESS);

  properties[1] = 0;
  EXPECT_EQ(entry::clCreateContext(properties, 1, &device_, nullptr, nullptr, &error), nullptr);
  EXPECT_EQ(error, CL_INVALID_PLATFORM);
}

TEST_F(PlatformTest, ContextArgumentsAreChecked) {
  cl_int error = CL_SUCCESS;
  int data = 0;
  EXPECT_EQ(entry::clCreateContext(nullptr, 0, &device_, nullptr, nullptr, &error), nullptr);
  EXPECT_EQ(error, CL_INVALID_VALUE);
  EXPECT_EQ(entry::clCreateContext(nullptr, 1, &device_, nullptr, &data, &error), nullptr);
  EXPECT_EQ(error, CL_INVALID_VALUE);
  const cl_device_id none = nullptr;
  EXPECT_EQ(entry::clCreateContext(nullptr, 1, &none, nullptr, nullptr, &error), nullptr);
  EXPECT_EQ(error, CL_INVALID_DEVICE);
  const cl_context_properties twice[] = {CL_CONTEXT_PLATFORM, reinterpret_cast<cl_context_properties>(platform_),
                                         CL_CONTEXT_PLATFORM, reinterpret_cast<cl_context_properties>(platform_), 0};
  EXPECT_EQ(entry::clCreateContext(twice, 1, &device_, nullptr, nullptr, &error), nullptr);
  EXPECT_EQ(error, CL_INVALID_PROPERTY);
}

TEST_F(PlatformTest, RepeatedDevicesCountOnce) {
  const cl_device_id devices[] = {device_, device_};
  cl_context context = entry::clCreateContext(nullptr, 2, devices, nullptr, nullptr, nullptr);
  ASSERT_NE(context, nullptr);
  cl_uint count = 0;
  EXPECT_EQ(entry::clGetContextInfo(context, CL_CONTEXT_NUM_DEVICES, sizeof(count), &count, nullptr), CL_SUCCESS);
  EXPECT_EQ(count, 1u);
  entry::clReleaseContext(context);
}

TEST_F(PlatformTest, ContextDestructorCallbacksRunInReverseWithOwnHandle) {
  static std::vector<std::pair<cl_context, void*>> calls;
  calls.clear();
  cl_context context = entry::clCreateContext(nullptr, 1, &device_, nullptr, nullptr, nullptr);
  const auto note = +[](cl_context which, void* data) { calls.emplace_back(which, data); };
  int first = 0, second = 0;
  EXPECT_EQ(entry::clSetContextDestructorCallback(context, note, &first), CL_SUCCESS);
  EXPECT_EQ(entry::clSetContextDestructorCallback(context, note, &second), CL_SUCCESS);
  EXPECT_EQ(entry::clSetContextDestructorCallback(context, nullptr, nullptr), CL_INVALID_VALUE);
  entry::clReleaseContext(context);
  EXPECT_EQ(calls, (std::vector<std::pair<cl_context, void*>>{{context, &second}, {context, &first}}));
}

}  // namespace
}  // namespace xpool::cl
