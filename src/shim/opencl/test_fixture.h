// For tests: a program inside the test slice, with the shim's platform, device and a context. Calls go through the
// entry points, as an ICD loader's do.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "generated/opencl/entry_points.h"
#include "shim/opencl/objects.h"
#include "shim/opencl/test_slice.h"

namespace xpool::cl {

class SliceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!StartTestSlice()) GTEST_SKIP() << "no OpenCL driver is installed";
    ASSERT_EQ(entry::clIcdGetPlatformIDsKHR(1, &platform_, nullptr), CL_SUCCESS);
    ASSERT_EQ(entry::clGetDeviceIDs(platform_, CL_DEVICE_TYPE_ALL, 1, &device_, nullptr), CL_SUCCESS);
    cl_int error = CL_INVALID_VALUE;
    context_ = entry::clCreateContext(nullptr, 1, &device_, nullptr, nullptr, &error);
    ASSERT_EQ(error, CL_SUCCESS);
  }
  void TearDown() override {
    if (context_ == nullptr) return;
    EXPECT_EQ(entry::clReleaseContext(context_), CL_SUCCESS);
  }

  cl_mem NewBuffer(size_t size, cl_int* error = nullptr) {
    return entry::clCreateBuffer(context_, CL_MEM_READ_WRITE, size, nullptr, error);
  }

  cl_program Build(const char* source, const char* options = nullptr) {
    cl_int error = CL_INVALID_VALUE;
    cl_program program = entry::clCreateProgramWithSource(context_, 1, &source, nullptr, &error);
    EXPECT_EQ(error, CL_SUCCESS);
    EXPECT_EQ(entry::clBuildProgram(program, 1, &device_, options, nullptr, nullptr), CL_SUCCESS);
    return program;
  }

  // The slice's memory that this process has allocated.
  static uint64_t UsedBytes() { return CurrentSession()->memory().used_bytes(); }

  cl_platform_id platform_ = nullptr;
  cl_device_id device_ = nullptr;
  cl_context context_ = nullptr;
};

}  // namespace xpool::cl
