#include "cl_test.h"

#include <chrono>
#include <cstdlib>

namespace xpool::conformance {
namespace {

Target FindTarget() {
  Target target;
  cl_int status = clGetPlatformIDs(1, &target.platform, nullptr);
  EXPECT_EQ(CL_SUCCESS, status) << "no OpenCL platform";
  if (status != CL_SUCCESS) return target;
  status = clGetDeviceIDs(target.platform, CL_DEVICE_TYPE_ALL, 1, &target.device, nullptr);
  EXPECT_EQ(CL_SUCCESS, status) << "no OpenCL device";
  if (status != CL_SUCCESS) return target;
  target.platform_name = QueryText(clGetPlatformInfo, target.platform, CL_PLATFORM_NAME);
  target.platform_version = QueryText(clGetPlatformInfo, target.platform, CL_PLATFORM_VERSION);
  target.device_name = QueryText(clGetDeviceInfo, target.device, CL_DEVICE_NAME);
  target.computes = target.device_name.find("null") == std::string::npos;
  target.in_slice = getenv("XPOOL_SLICE") != nullptr || getenv("XPOOL_REMOTE_SLICES") != nullptr;
  return target;
}

}  // namespace

const char* const kKernels = R"(
kernel void fill(global int* out, int value) { out[get_global_id(0)] = value; }
kernel void add(global int* data, int delta) { data[get_global_id(0)] += delta; }
kernel void duplicate(global const int* in, global int* out) { out[get_global_id(0)] = in[get_global_id(0)]; }
kernel void append(global int* order, global int* next, int value) { order[atomic_inc(next)] = value; }
kernel void store_ulong(global ulong* out, ulong value) { out[get_global_id(0)] = value; }
kernel void spin(global uint* out, uint rounds) {
  uint x = get_global_id(0);
  for (uint i = 0; i < rounds; ++i) x = x * 1664525u + 1013904223u;
  out[get_global_id(0)] = x;
}
kernel void sum_local(global const int* in, global int* out, local int* scratch) {
  scratch[get_local_id(0)] = in[get_global_id(0)];
  barrier(CLK_LOCAL_MEM_FENCE);
  if (get_local_id(0) != 0) return;
  int sum = 0;
  for (size_t i = 0; i < get_local_size(0); ++i) sum += scratch[i];
  out[get_group_id(0)] = sum;
}
typedef struct { int a; float b; long c; char d; } Mixed;
kernel void store_struct(global long* out, Mixed value) {
  out[0] = value.a; out[1] = (long)value.b; out[2] = value.c; out[3] = value.d;
}
kernel void null_pointer(global int* out, global int* maybe) { out[0] = maybe == 0; }
kernel void where(global int* out) {
  size_t at = get_global_id(1) * get_global_size(0) + get_global_id(0);
  out[at] = (int)(get_global_id(0) + 100 * get_global_id(1));
}
)";

bool Target::HasExtension(const std::string& name) const {
  return (" " + QueryText(clGetDeviceInfo, device, CL_DEVICE_EXTENSIONS) + " ").find(" " + name + " ") !=
         std::string::npos;
}

const Target& GetTarget() {
  static const Target target = FindTarget();
  return target;
}

void Latch::CountDown() {
  std::lock_guard lock(mutex_);
  if (--count_ <= 0) changed_.notify_all();
}

bool Latch::Wait() {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(30), [this] { return count_ <= 0; });
}

void ClTest::SetUp() {
  ASSERT_NE(nullptr, GetTarget().device) << "no OpenCL device";
  context_ = NewContext();
  ASSERT_NE(nullptr, context_.get());
  queue_ = NewQueue();
  ASSERT_NE(nullptr, queue_.get());
}

Owned<cl_context> ClTest::NewContext() const {
  cl_device_id device = GetTarget().device;
  cl_int status = CL_SUCCESS;
  Owned<cl_context> context(clCreateContext(nullptr, 1, &device, nullptr, nullptr, &status));
  EXPECT_EQ(CL_SUCCESS, status);
  return context;
}

Owned<cl_command_queue> ClTest::NewQueue(cl_command_queue_properties properties) const {
  return NewQueueIn(context_, properties);
}

Owned<cl_command_queue> ClTest::NewQueueIn(cl_context context, cl_command_queue_properties properties) {
  cl_int status = CL_SUCCESS;
  Owned<cl_command_queue> queue(clCreateCommandQueue(context, GetTarget().device, properties, &status));
  EXPECT_EQ(CL_SUCCESS, status);
  return queue;
}

Owned<cl_mem> ClTest::NewBuffer(size_t bytes, const void* data, cl_mem_flags flags) const {
  cl_int status = CL_SUCCESS;
  if (data != nullptr) flags |= CL_MEM_COPY_HOST_PTR;
  Owned<cl_mem> buffer(clCreateBuffer(context_, flags, bytes, const_cast<void*>(data), &status));
  EXPECT_EQ(CL_SUCCESS, status);
  return buffer;
}

Owned<cl_mem> ClTest::NewInts(const std::vector<cl_int>& values) const {
  return NewBuffer(values.size() * sizeof(cl_int), values.data());
}

Owned<cl_event> ClTest::NewUserEvent() const {
  cl_int status = CL_SUCCESS;
  Owned<cl_event> event(clCreateUserEvent(context_, &status));
  EXPECT_EQ(CL_SUCCESS, status);
  return event;
}

Owned<cl_program> ClTest::NewProgram(const char* source, const char* options) const {
  cl_int status = CL_SUCCESS;
  Owned<cl_program> program(clCreateProgramWithSource(context_, 1, &source, nullptr, &status));
  EXPECT_EQ(CL_SUCCESS, status);
  cl_device_id device = GetTarget().device;
  EXPECT_EQ(CL_SUCCESS, clBuildProgram(program, 1, &device, options, nullptr, nullptr));
  return program;
}

cl_program ClTest::program() {
  if (program_ == nullptr) program_ = NewProgram(kKernels);
  return program_;
}

Owned<cl_kernel> ClTest::NewKernel(const char* name) { return NewKernel(program(), name); }

Owned<cl_kernel> ClTest::NewKernel(cl_program program, const char* name) {
  cl_int status = CL_SUCCESS;
  Owned<cl_kernel> kernel(clCreateKernel(program, name, &status));
  EXPECT_EQ(CL_SUCCESS, status) << name;
  return kernel;
}

std::vector<cl_int> ClTest::ReadInts(cl_mem buffer, size_t count, cl_command_queue queue) const {
  std::vector<cl_int> values(count, -1);
  EXPECT_EQ(CL_SUCCESS, clEnqueueReadBuffer(queue != nullptr ? queue : queue_.get(), buffer, CL_TRUE, 0,
                                            count * sizeof(cl_int), values.data(), 0, nullptr, nullptr));
  return values;
}

cl_int Launch(cl_command_queue queue, cl_kernel kernel, size_t global, const std::vector<cl_event>& wait,
              cl_event* event) {
  return clEnqueueNDRangeKernel(queue, kernel, 1, nullptr, &global, nullptr, static_cast<cl_uint>(wait.size()),
                                wait.empty() ? nullptr : wait.data(), event);
}

}  // namespace xpool::conformance
