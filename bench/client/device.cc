#include "device.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "base/clock.h"

namespace xpool::bench {
namespace {

constexpr size_t kGroupItems = 64;
constexpr size_t kGroupsPerUnit = 4;  // enough that no compute unit waits for another at the end

// A chain of dependent multiplications: no driver can shorten it, and it touches no memory but the result.
constexpr const char* kSource = R"(
  __kernel void spin(__global uint* out, uint loops) {
    uint x = (uint)get_global_id(0);
    for (uint i = 0; i < loops; ++i) x = x * 1664525u + 1013904223u;
    out[get_global_id(0)] = x;
  })";

}  // namespace

void Check(cl_int status, const char* call) {
  if (status == CL_SUCCESS) return;
  fprintf(stderr, "%s failed with OpenCL error %d\n", call, status);
  exit(1);
}

cl_kernel NewKernel(cl_program program, const char* name) {
  cl_int status;
  const cl_kernel kernel = clCreateKernel(program, name, &status);
  Check(status, "clCreateKernel");
  return kernel;
}

Device::Device(cl_command_queue_properties queue_flags) {
  cl_platform_id platform;
  Check(clGetPlatformIDs(1, &platform, nullptr), "clGetPlatformIDs");
  Check(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device_, nullptr), "clGetDeviceIDs");
  cl_uint units = 1;
  Check(clGetDeviceInfo(device_, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof(units), &units, nullptr), "clGetDeviceInfo");
  device_items_ = units * kGroupsPerUnit * kGroupItems;
  cl_int status;
  context_ = clCreateContext(nullptr, 1, &device_, nullptr, nullptr, &status);
  Check(status, "clCreateContext");
  queue_ = clCreateCommandQueue(context_, device_, queue_flags, &status);
  Check(status, "clCreateCommandQueue");
  program_ = Build(kSource);
  kernel_ = NewKernel(program_, "spin");
  out_ = NewBuffer(device_items_ * sizeof(cl_uint));
  Check(clSetKernelArg(kernel_, 0, sizeof(out_), &out_), "clSetKernelArg");
}

Device::~Device() {
  clFinish(queue_);
  if (ballast_ != nullptr) clReleaseMemObject(ballast_);
  clReleaseMemObject(out_);
  clReleaseKernel(kernel_);
  clReleaseProgram(program_);
  clReleaseCommandQueue(queue_);
  clReleaseContext(context_);
}

void Device::Launch(Size size, uint32_t loops, cl_event* event) {
  const size_t items = size == Size::kDevice ? device_items_ : kGroupItems;
  const size_t group = kGroupItems;
  Check(clSetKernelArg(kernel_, 1, sizeof(loops), &loops), "clSetKernelArg");
  Enqueue(kernel_, items, &group, event);
}

int64_t Device::TimeLaunch(Size size, uint32_t loops) {
  const int64_t start_ns = MonotonicNowNs();
  Launch(size, loops, nullptr);
  Finish();
  return MonotonicNowNs() - start_ns;
}

uint32_t Device::Calibrate(Size size, int64_t kernel_ns) {
  const auto median_ns = [&](uint32_t loops) {
    std::array<int64_t, 9> times;
    for (int64_t& time : times) time = TimeLaunch(size, loops);
    std::nth_element(times.begin(), times.begin() + 4, times.end());
    return times[4];
  };
  TimeLaunch(size, 1000);
  const int64_t overhead_ns = median_ns(1);
  double loops = 1000;
  for (int round = 0; round < 6; ++round) {
    const int64_t took_ns = std::max<int64_t>(median_ns(static_cast<uint32_t>(loops)) - overhead_ns, 100);
    const double factor = static_cast<double>(kernel_ns) / static_cast<double>(took_ns);
    loops = std::clamp(loops * std::clamp(factor, 0.05, 50.0), 1.0, 4e9);
  }
  return static_cast<uint32_t>(loops);
}

void Device::Allocate(size_t bytes) {
  ballast_ = NewBuffer(bytes);
  const cl_uint zero = 0;
  Check(clEnqueueFillBuffer(queue_, ballast_, &zero, sizeof(zero), 0, bytes / 4 * 4, 0, nullptr, nullptr),
        "clEnqueueFillBuffer");
  Finish();
}

cl_mem Device::NewBuffer(size_t bytes) {
  cl_int status;
  const cl_mem buffer = clCreateBuffer(context_, CL_MEM_READ_WRITE, bytes, nullptr, &status);
  Check(status, "clCreateBuffer");
  return buffer;
}

cl_program Device::Build(const char* source, const char* options) {
  cl_int status;
  const cl_program program = clCreateProgramWithSource(context_, 1, &source, nullptr, &status);
  Check(status, "clCreateProgramWithSource");
  Check(clBuildProgram(program, 1, &device_, options, nullptr, nullptr), "clBuildProgram");
  return program;
}

void Device::Enqueue(cl_kernel kernel, size_t items, const size_t* group, cl_event* event) {
  Check(clEnqueueNDRangeKernel(queue_, kernel, 1, nullptr, &items, group, 0, nullptr, event), "clEnqueueNDRangeKernel");
}

void Device::Write(cl_mem buffer, cl_bool blocking, size_t bytes, const void* data) {
  Check(clEnqueueWriteBuffer(queue_, buffer, blocking, 0, bytes, data, 0, nullptr, nullptr), "clEnqueueWriteBuffer");
}

void Device::Read(cl_mem buffer, size_t bytes, void* data) {
  Check(clEnqueueReadBuffer(queue_, buffer, CL_TRUE, 0, bytes, data, 0, nullptr, nullptr), "clEnqueueReadBuffer");
}

}  // namespace xpool::bench
