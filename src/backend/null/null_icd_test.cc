// The null driver through the system's ICD loader, as a program meets it.
#include <CL/cl.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace {

TEST(NullIcdTest, LoaderFindsThePlatformAndRunsAKernel) {
  const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / "xpool_null_icd";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "null.icd") << XPOOL_NULL_DRIVER << "\n";
  setenv("OCL_ICD_VENDORS", folder.c_str(), 1);
  cl_platform_id platform = nullptr;
  cl_uint platforms = 0;
  ASSERT_EQ(clGetPlatformIDs(1, &platform, &platforms), CL_SUCCESS);
  EXPECT_EQ(platforms, 1u);
  char name[64] = {};
  clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof(name), name, nullptr);
  EXPECT_STREQ(name, "xpool null platform (tests only)");
  cl_device_id device = nullptr;
  ASSERT_EQ(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, nullptr), CL_SUCCESS);
  cl_context context = clCreateContext(nullptr, 1, &device, nullptr, nullptr, nullptr);
  cl_command_queue queue = clCreateCommandQueueWithProperties(context, device, nullptr, nullptr);
  const char* source = "__kernel void k() {}";
  cl_program program = clCreateProgramWithSource(context, 1, &source, nullptr, nullptr);
  ASSERT_EQ(clBuildProgram(program, 0, nullptr, nullptr, nullptr, nullptr), CL_SUCCESS);
  cl_kernel kernel = clCreateKernel(program, "k", nullptr);
  const size_t global = 1;
  EXPECT_EQ(clEnqueueNDRangeKernel(queue, kernel, 1, nullptr, &global, nullptr, 0, nullptr, nullptr), CL_SUCCESS);
  EXPECT_EQ(clFinish(queue), CL_SUCCESS);
  EXPECT_EQ(clReleaseKernel(kernel), CL_SUCCESS);
  EXPECT_EQ(clReleaseProgram(program), CL_SUCCESS);
  EXPECT_EQ(clReleaseCommandQueue(queue), CL_SUCCESS);
  EXPECT_EQ(clReleaseContext(context), CL_SUCCESS);
}

}  // namespace
