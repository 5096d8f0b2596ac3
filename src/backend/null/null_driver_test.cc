// Loads the null driver as a shim does and checks that it behaves as an OpenCL driver. Tests that need other settings
// run in a process of their own, for the driver reads its environment once.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "generated/opencl/call_info.h"
#include "generated/opencl/dispatch_table.h"

namespace xpool::cl {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::ExitedWithCode;
using ::testing::KilledBySignal;

constexpr char kSource[] = R"(
  // __kernel void commented_out(int a) {}
  #define UNUSED __kernel void in_a_macro()
  __kernel __attribute__((reqd_work_group_size(1, 1, 1)))
  void saxpy(float a, __global const float* restrict x, __global float* y, __local float4* scratch, uint n) {}
  kernel void sample(read_only image2d_t in, sampler_t s, const unsigned int flags, float3 c, struct Params p) {}
  kernel void nothing() {}
)";

// The driver, a context, a queue and a program.
class Driver {
 public:
  explicit Driver(cl_command_queue_properties properties = 0) {
    void* library = dlopen(XPOOL_NULL_DRIVER, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) throw std::runtime_error(dlerror());
    using GetAddress = void*(CL_API_CALL*)(const char*);
    auto get_address = reinterpret_cast<GetAddress>(dlsym(library, "clGetExtensionFunctionAddress"));
    using GetPlatforms = cl_int(CL_API_CALL*)(cl_uint, cl_platform_id*, cl_uint*);
    auto get_platforms = reinterpret_cast<GetPlatforms>(get_address("clIcdGetPlatformIDsKHR"));
    get_platforms(1, &platform, nullptr);
    FillDispatchTable(platform, get_address, &api);
    api.clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, nullptr);
    context = api.clCreateContext(nullptr, 1, &device, nullptr, nullptr, nullptr);
    queue = api.clCreateCommandQueue(context, device, properties, nullptr);
  }

  cl_program Build(const char* source, const char* options = "-cl-kernel-arg-info") {
    cl_program program = api.clCreateProgramWithSource(context, 1, &source, nullptr, nullptr);
    build_result = api.clBuildProgram(program, 0, nullptr, options, nullptr, nullptr);
    return program;
  }

  cl_kernel NothingKernel() { return api.clCreateKernel(Build(kSource), "nothing", nullptr); }

  cl_int Launch(cl_kernel kernel, cl_event* event = nullptr, std::vector<cl_event> waits = {}) {
    const size_t global = 64;
    return api.clEnqueueNDRangeKernel(queue, kernel, 1, nullptr, &global, nullptr, static_cast<cl_uint>(waits.size()),
                                      waits.empty() ? nullptr : waits.data(), event);
  }

  cl_int Status(cl_event event) {
    cl_int status = 1234;
    api.clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof(status), &status, nullptr);
    return status;
  }

  DispatchTable api;
  cl_platform_id platform = nullptr;
  cl_device_id device = nullptr;
  cl_context context = nullptr;
  cl_command_queue queue = nullptr;
  cl_int build_result = 1;
};

class NullDriverTest : public ::testing::Test {
 protected:
  NullDriverTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(NullDriverTest, TellsItsNameAndType) {
  Driver d;
  char name[64];
  cl_device_type type = 0;
  EXPECT_EQ(d.api.clGetDeviceInfo(d.device, CL_DEVICE_NAME, sizeof(name), name, nullptr), CL_SUCCESS);
  EXPECT_STREQ(name, "xpool null device (tests only)");
  EXPECT_EQ(d.api.clGetDeviceInfo(d.device, CL_DEVICE_TYPE, sizeof(type), &type, nullptr), CL_SUCCESS);
  EXPECT_EQ(type, cl_device_type{CL_DEVICE_TYPE_ACCELERATOR});
}

TEST_F(NullDriverTest, ProvidesEveryCallOfTheSpec) {
  Driver d;
  for (const CallInfo& call : AllCalls()) {
    EXPECT_TRUE(Provides(d.api, static_cast<uint32_t>(call.id))) << call.name;
  }
}

TEST_F(NullDriverTest, RefusesHandlesOfTheWrongKind) {
  Driver d;
  size_t size = 0;
  auto not_a_queue = reinterpret_cast<cl_command_queue>(d.context);
  EXPECT_EQ(d.api.clFinish(not_a_queue), CL_INVALID_COMMAND_QUEUE);
  EXPECT_EQ(d.api.clGetMemObjectInfo(nullptr, CL_MEM_SIZE, sizeof(size), &size, nullptr), CL_INVALID_MEM_OBJECT);
  EXPECT_EQ(d.api.clEnqueueMarkerWithWaitList(d.queue, 1, nullptr, nullptr), CL_INVALID_EVENT_WAIT_LIST);
  EXPECT_EQ(d.api.clWaitForEvents(0, nullptr), CL_INVALID_VALUE);
  cl_int error = 0;
  EXPECT_EQ(d.api.clCreateBuffer(nullptr, 0, 16, nullptr, &error), nullptr);
  EXPECT_EQ(error, CL_INVALID_CONTEXT);
}

TEST_F(NullDriverTest, ReleasedHandleIsRefused) {
  Driver d;
  cl_mem mem = d.api.clCreateBuffer(d.context, CL_MEM_READ_WRITE, 16, nullptr, nullptr);
  cl_mem part_of = mem;
  const cl_buffer_region region = {0, 8};
  cl_mem part = d.api.clCreateSubBuffer(part_of, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, nullptr);
  ASSERT_EQ(d.api.clReleaseMemObject(mem), CL_SUCCESS);  // |part| keeps the memory, so the handle can be looked at
  EXPECT_EQ(d.api.clRetainMemObject(mem), CL_INVALID_MEM_OBJECT);
  EXPECT_EQ(d.api.clReleaseMemObject(part), CL_SUCCESS);
}

TEST_F(NullDriverTest, BufferKeepsWhatIsWritten) {
  Driver d;
  const std::vector<int> in = {1, 2, 3, 4};
  std::vector<int> out(4);
  cl_mem a = d.api.clCreateBuffer(d.context, CL_MEM_READ_WRITE, 16, nullptr, nullptr);
  cl_mem b = d.api.clCreateBuffer(d.context, CL_MEM_READ_WRITE, 16, nullptr, nullptr);
  EXPECT_EQ(d.api.clEnqueueWriteBuffer(d.queue, a, CL_FALSE, 0, 16, in.data(), 0, nullptr, nullptr), CL_SUCCESS);
  EXPECT_EQ(d.api.clEnqueueCopyBuffer(d.queue, a, b, 0, 4, 12, 0, nullptr, nullptr), CL_SUCCESS);
  const int pattern = 9;
  EXPECT_EQ(d.api.clEnqueueFillBuffer(d.queue, b, &pattern, 4, 0, 4, 0, nullptr, nullptr), CL_SUCCESS);
  EXPECT_EQ(d.api.clEnqueueReadBuffer(d.queue, b, CL_TRUE, 0, 16, out.data(), 0, nullptr, nullptr), CL_SUCCESS);
  EXPECT_THAT(out, ElementsAre(9, 1, 2, 3));
}

TEST_F(NullDriverTest, ReadPastTheEndIsRefused) {
  Driver d;
  char byte;
  cl_mem mem = d.api.clCreateBuffer(d.context, CL_MEM_READ_WRITE, 16, nullptr, nullptr);
  EXPECT_EQ(d.api.clEnqueueReadBuffer(d.queue, mem, CL_TRUE, 16, 1, &byte, 0, nullptr, nullptr), CL_INVALID_VALUE);
  EXPECT_EQ(d.api.clEnqueueReadBuffer(d.queue, mem, CL_TRUE, 1, SIZE_MAX, &byte, 0, nullptr, nullptr),
            CL_INVALID_VALUE);
}

TEST_F(NullDriverTest, RectangleMovesItsRowsOnly) {
  Driver d;
  std::vector<char> device(16, '.'), host(4, 'x');
  cl_mem mem = d.api.clCreateBuffer(d.context, CL_MEM_USE_HOST_PTR, 16, device.data(), nullptr);
  const size_t buffer_origin[] = {1, 1, 0}, host_origin[] = {0, 0, 0}, region[] = {2, 2, 1};
  ASSERT_EQ(d.api.clEnqueueWriteBufferRect(d.queue, mem, CL_TRUE, buffer_origin, host_origin, region, 4, 0, 2, 0,
                                           host.data(), 0, nullptr, nullptr),
            CL_SUCCESS);
  EXPECT_EQ(std::string(device.begin(), device.end()), ".....xx..xx.....");
}

TEST_F(NullDriverTest, MapShowsAndChangesTheBuffer) {
  Driver d;
  cl_mem mem = d.api.clCreateBuffer(d.context, CL_MEM_READ_WRITE, 16, nullptr, nullptr);
  void* mapped = d.api.clEnqueueMapBuffer(d.queue, mem, CL_TRUE, CL_MAP_WRITE, 8, 8, 0, nullptr, nullptr, nullptr);
  ASSERT_NE(mapped, nullptr);
  std::memset(mapped, 7, 8);
  cl_uint maps = 0;
  d.api.clGetMemObjectInfo(mem, CL_MEM_MAP_COUNT, sizeof(maps), &maps, nullptr);
  EXPECT_EQ(maps, 1u);
  EXPECT_EQ(d.api.clEnqueueUnmapMemObject(d.queue, mem, mapped, 0, nullptr, nullptr), CL_SUCCESS);
  EXPECT_EQ(d.api.clFinish(d.queue), CL_SUCCESS);
  char byte = 0;
  d.api.clEnqueueReadBuffer(d.queue, mem, CL_TRUE, 15, 1, &byte, 0, nullptr, nullptr);
  EXPECT_EQ(byte, 7);
  EXPECT_EQ(d.api.clEnqueueUnmapMemObject(d.queue, mem, mapped, 0, nullptr, nullptr), CL_INVALID_VALUE);
}

TEST_F(NullDriverTest, ImageIsFilledCopiedAndRead) {
  Driver d;
  const cl_image_format format = {CL_RGBA, CL_UNORM_INT8};
  cl_image_desc desc{};
  desc.image_type = CL_MEM_OBJECT_IMAGE2D;
  desc.image_width = 4;
  desc.image_height = 4;
  cl_int error = 1;
  cl_mem image = d.api.clCreateImage(d.context, CL_MEM_READ_WRITE, &format, &desc, nullptr, &error);
  ASSERT_EQ(error, CL_SUCCESS);
  const float color[] = {1.0f, 0.0f, 0.0f, 1.0f};
  const size_t origin[] = {1, 1, 0}, region[] = {2, 2, 1};
  EXPECT_EQ(d.api.clEnqueueFillImage(d.queue, image, color, origin, region, 0, nullptr, nullptr), CL_SUCCESS);
  std::vector<uint32_t> pixels(4);
  EXPECT_EQ(d.api.clEnqueueReadImage(d.queue, image, CL_TRUE, origin, region, 0, 0, pixels.data(), 0, nullptr, nullptr),
            CL_SUCCESS);
  EXPECT_THAT(pixels, Each(0xff0000ffu));
  cl_mem buffer = d.api.clCreateBuffer(d.context, 0, 16, nullptr, nullptr);
  EXPECT_EQ(d.api.clEnqueueCopyImageToBuffer(d.queue, image, buffer, origin, region, 0, 0, nullptr, nullptr),
            CL_SUCCESS);
  std::vector<uint32_t> copied(4);
  d.api.clEnqueueReadBuffer(d.queue, buffer, CL_TRUE, 0, 16, copied.data(), 0, nullptr, nullptr);
  EXPECT_THAT(copied, ElementsAreArray(pixels));
  const size_t outside[] = {3, 3, 0};
  EXPECT_EQ(
      d.api.clEnqueueReadImage(d.queue, image, CL_TRUE, outside, region, 0, 0, pixels.data(), 0, nullptr, nullptr),
      CL_INVALID_VALUE);
}

TEST_F(NullDriverTest, KernelArgumentsAreCheckedAgainstTheSource) {
  Driver d;
  cl_kernel kernel = d.api.clCreateKernel(d.Build(kSource), "saxpy", nullptr);
  ASSERT_NE(kernel, nullptr);
  cl_uint count = 0;
  d.api.clGetKernelInfo(kernel, CL_KERNEL_NUM_ARGS, sizeof(count), &count, nullptr);
  EXPECT_EQ(count, 5u);
  const float a = 1;
  cl_mem x = d.api.clCreateBuffer(d.context, 0, 16, nullptr, nullptr);
  EXPECT_EQ(d.Launch(kernel), CL_INVALID_KERNEL_ARGS);
  EXPECT_EQ(d.api.clSetKernelArg(kernel, 0, 8, &a), CL_INVALID_ARG_SIZE);
  EXPECT_EQ(d.api.clSetKernelArg(kernel, 0, 4, &a), CL_SUCCESS);
  EXPECT_EQ(d.api.clSetKernelArg(kernel, 1, 8, &d.context), CL_INVALID_MEM_OBJECT);
  EXPECT_EQ(d.api.clSetKernelArg(kernel, 1, 8, &x), CL_SUCCESS);
  EXPECT_EQ(d.api.clSetKernelArg(kernel, 2, 8, nullptr), CL_SUCCESS);
  EXPECT_EQ(d.api.clSetKernelArg(kernel, 3, 64, &a), CL_INVALID_ARG_VALUE);
  EXPECT_EQ(d.api.clSetKernelArg(kernel, 3, 64, nullptr), CL_SUCCESS);
  EXPECT_EQ(d.api.clSetKernelArg(kernel, 4, 4, &a), CL_SUCCESS);
  EXPECT_EQ(d.api.clSetKernelArg(kernel, 5, 4, &a), CL_INVALID_ARG_INDEX);
  EXPECT_EQ(d.Launch(kernel), CL_SUCCESS);
  EXPECT_EQ(d.api.clFinish(d.queue), CL_SUCCESS);
}

TEST_F(NullDriverTest, KernelArgInfoNeedsTheOption) {
  Driver d;
  char type[32];
  cl_kernel with = d.api.clCreateKernel(d.Build(kSource), "saxpy", nullptr);
  cl_kernel without = d.api.clCreateKernel(d.Build(kSource, ""), "saxpy", nullptr);
  EXPECT_EQ(d.api.clGetKernelArgInfo(with, 1, CL_KERNEL_ARG_TYPE_NAME, sizeof(type), type, nullptr), CL_SUCCESS);
  EXPECT_STREQ(type, "float*");
  EXPECT_EQ(d.api.clGetKernelArgInfo(without, 1, CL_KERNEL_ARG_TYPE_NAME, sizeof(type), type, nullptr),
            CL_KERNEL_ARG_INFO_NOT_AVAILABLE);
}

TEST_F(NullDriverTest, BrokenSourceFailsToBuildWithALog) {
  Driver d;
  cl_program program = d.Build("#error on purpose\n");
  EXPECT_EQ(d.build_result, CL_BUILD_PROGRAM_FAILURE);
  char log[64];
  d.api.clGetProgramBuildInfo(program, d.device, CL_PROGRAM_BUILD_LOG, sizeof(log), log, nullptr);
  EXPECT_STREQ(log, "error: #error on purpose");
}

TEST_F(NullDriverTest, BinaryMakesTheSameProgram) {
  Driver d;
  cl_program program = d.Build(kSource);
  size_t size = 0;
  d.api.clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof(size), &size, nullptr);
  std::vector<unsigned char> binary(size);
  unsigned char* target = binary.data();
  ASSERT_EQ(d.api.clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof(target), &target, nullptr), CL_SUCCESS);
  const unsigned char* from = binary.data();
  cl_program copy = d.api.clCreateProgramWithBinary(d.context, 1, &d.device, &size, &from, nullptr, nullptr);
  ASSERT_EQ(d.api.clBuildProgram(copy, 0, nullptr, nullptr, nullptr, nullptr), CL_SUCCESS);
  EXPECT_NE(d.api.clCreateKernel(copy, "sample", nullptr), nullptr);
}

TEST_F(NullDriverTest, CommandWaitsForTheUserEvent) {
  Driver d;
  cl_event user = d.api.clCreateUserEvent(d.context, nullptr);
  cl_event done = nullptr, after = nullptr;
  ASSERT_EQ(d.Launch(d.NothingKernel(), &done, {user}), CL_SUCCESS);
  ASSERT_EQ(d.api.clEnqueueMarkerWithWaitList(d.queue, 0, nullptr, &after), CL_SUCCESS);
  EXPECT_EQ(d.Status(done), CL_QUEUED);
  EXPECT_EQ(d.api.clSetUserEventStatus(user, CL_COMPLETE), CL_SUCCESS);
  EXPECT_EQ(d.api.clWaitForEvents(1, &after), CL_SUCCESS);
  EXPECT_EQ(d.Status(done), CL_COMPLETE);
  EXPECT_EQ(d.api.clSetUserEventStatus(user, CL_COMPLETE), CL_INVALID_OPERATION);
}

TEST_F(NullDriverTest, FailedWaitListEndsTheCommandWithoutRunningIt) {
  Driver d;
  cl_mem mem = d.api.clCreateBuffer(d.context, 0, 4, nullptr, nullptr);
  cl_event user = d.api.clCreateUserEvent(d.context, nullptr);
  cl_event done = nullptr;
  int value = 5;
  d.api.clEnqueueReadBuffer(d.queue, mem, CL_FALSE, 0, 4, &value, 1, &user, &done);
  d.api.clSetUserEventStatus(user, -7);
  EXPECT_EQ(d.api.clWaitForEvents(1, &done), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
  EXPECT_EQ(d.Status(done), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
  EXPECT_EQ(value, 5);
}

TEST_F(NullDriverTest, OutOfOrderQueuePassesAWaitingCommandButNotABarrier) {
  Driver d(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
  cl_kernel kernel = d.NothingKernel();
  cl_event user = d.api.clCreateUserEvent(d.context, nullptr);
  cl_event blocked = nullptr, free = nullptr, behind = nullptr;
  d.Launch(kernel, &blocked, {user});
  d.Launch(kernel, &free);
  EXPECT_EQ(d.api.clWaitForEvents(1, &free), CL_SUCCESS);
  d.api.clEnqueueBarrierWithWaitList(d.queue, 0, nullptr, nullptr);
  d.Launch(kernel, &behind);
  EXPECT_EQ(d.Status(blocked), CL_QUEUED);
  EXPECT_EQ(d.Status(behind), CL_QUEUED);
  d.api.clSetUserEventStatus(user, CL_COMPLETE);
  EXPECT_EQ(d.api.clFinish(d.queue), CL_SUCCESS);
  EXPECT_EQ(d.Status(behind), CL_COMPLETE);
}

TEST_F(NullDriverTest, CallbacksComeForEachStatusOnce) {
  Driver d;
  std::atomic<int> calls{0}, sum{0};
  struct Counters {
    std::atomic<int>*calls, *sum;
  } counters{&calls, &sum};
  auto count = [](cl_event, cl_int status, void* user_data) {
    auto* c = static_cast<Counters*>(user_data);
    c->sum->fetch_add(status);
    c->calls->fetch_add(1);
  };
  cl_event user = d.api.clCreateUserEvent(d.context, nullptr);
  cl_event done = nullptr, last = nullptr;
  d.Launch(d.NothingKernel(), &done, {user});
  for (const cl_int status : {CL_COMPLETE, CL_RUNNING, CL_SUBMITTED}) {
    ASSERT_EQ(d.api.clSetEventCallback(done, status, count, &counters), CL_SUCCESS);
  }
  EXPECT_EQ(calls, 0);
  d.api.clSetUserEventStatus(user, CL_COMPLETE);
  d.api.clEnqueueMarkerWithWaitList(d.queue, 0, nullptr, &last);  // runs after the callbacks of |done|
  d.api.clWaitForEvents(1, &last);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(sum, CL_COMPLETE + CL_RUNNING + CL_SUBMITTED);
  d.api.clSetEventCallback(done, CL_COMPLETE, count, &counters);  // it is complete: called at once
  EXPECT_EQ(calls, 4);
}

TEST_F(NullDriverTest, ProfilingTimesAreInOrder) {
  Driver d(CL_QUEUE_PROFILING_ENABLE);
  cl_event done = nullptr;
  d.Launch(d.NothingKernel(), &done);
  d.api.clWaitForEvents(1, &done);
  cl_ulong times[4] = {};
  for (cl_uint i = 0; i < 4; ++i) {
    EXPECT_EQ(d.api.clGetEventProfilingInfo(done, CL_PROFILING_COMMAND_QUEUED + i, 8, &times[i], nullptr), CL_SUCCESS);
  }
  EXPECT_GT(times[0], 0u);
  EXPECT_TRUE(times[0] <= times[1] && times[1] <= times[2] && times[2] <= times[3]);
}

TEST_F(NullDriverTest, DestructorCallbackComesWhenTheLastUserIsGone) {
  Driver d;
  std::atomic<bool> gone{false};
  cl_mem mem = d.api.clCreateBuffer(d.context, 0, 16, nullptr, nullptr);
  d.api.clSetMemObjectDestructorCallback(
      mem, [](cl_mem, void* user_data) { *static_cast<std::atomic<bool>*>(user_data) = true; }, &gone);
  cl_event user = d.api.clCreateUserEvent(d.context, nullptr);
  const char byte = 1;
  d.api.clEnqueueWriteBuffer(d.queue, mem, CL_FALSE, 0, 1, &byte, 1, &user, nullptr);
  d.api.clReleaseMemObject(mem);
  EXPECT_FALSE(gone);
  d.api.clSetUserEventStatus(user, CL_COMPLETE);
  d.api.clFinish(d.queue);
  EXPECT_TRUE(gone);
}

TEST_F(NullDriverTest, NativeKernelSeesTheMemory) {
  Driver d;
  cl_mem mem = d.api.clCreateBuffer(d.context, 0, 4, nullptr, nullptr);
  struct Args {
    int value;
    int* memory;
  } args{42, nullptr};
  const void* places[] = {&args.memory};
  auto run = [](void* raw) { *static_cast<Args*>(raw)->memory = static_cast<Args*>(raw)->value; };
  ASSERT_EQ(d.api.clEnqueueNativeKernel(d.queue, run, &args, sizeof(args), 1, &mem, places, 0, nullptr, nullptr),
            CL_SUCCESS);
  int value = 0;
  d.api.clEnqueueReadBuffer(d.queue, mem, CL_TRUE, 0, 4, &value, 0, nullptr, nullptr);
  EXPECT_EQ(value, 42);
}

TEST_F(NullDriverTest, ThreadsMayShareAQueue) {
  Driver d;
  cl_mem mem = d.api.clCreateBuffer(d.context, 0, 4, nullptr, nullptr);
  cl_kernel kernel = d.NothingKernel();
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        int value;
        failures += d.Launch(kernel) != CL_SUCCESS;
        failures += d.api.clEnqueueReadBuffer(d.queue, mem, CL_TRUE, 0, 4, &value, 0, nullptr, nullptr) != CL_SUCCESS;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
}

TEST_F(NullDriverTest, ForkedChildHasAWorkingDriver) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer allows no threads after a fork";
#endif
  Driver d;
  d.api.clFinish(d.queue);
  d.Launch(d.NothingKernel());  // the worker thread runs, in this process only
  d.api.clFinish(d.queue);
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    Driver own;
    _exit(own.Launch(own.NothingKernel()) == CL_SUCCESS && own.api.clFinish(own.queue) == CL_SUCCESS ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

// Ends the process of a death test: 0 when |ok|.
[[noreturn]] void Finish(bool ok) { _exit(ok ? 0 : 1); }

TEST_F(NullDriverTest, SyncModeCompletesInsideTheCall) {
  const auto run = [] {
    setenv("XPOOL_NULL_SYNC", "1", 1);
    Driver d;
    cl_event done = nullptr, user = d.api.clCreateUserEvent(d.context, nullptr), later = nullptr;
    cl_kernel kernel = d.NothingKernel();
    bool ok = d.Launch(kernel, &done) == CL_SUCCESS && d.Status(done) == CL_COMPLETE;
    ok = ok && d.Launch(kernel, &later, {user}) == CL_SUCCESS && d.Status(later) == CL_QUEUED;
    d.api.clSetUserEventStatus(user, CL_COMPLETE);
    Finish(ok && d.Status(later) == CL_COMPLETE);
  };
  EXPECT_EXIT(run(), ExitedWithCode(0), "");
}

TEST_F(NullDriverTest, KernelTakesTheTimeThatIsSet) {
  const auto run = [] {
    setenv("XPOOL_NULL_KERNEL_US", "2000", 1);
    Driver d(CL_QUEUE_PROFILING_ENABLE);
    cl_event done = nullptr;
    d.Launch(d.NothingKernel(), &done);
    d.api.clWaitForEvents(1, &done);
    cl_ulong start = 0, end = 0;
    d.api.clGetEventProfilingInfo(done, CL_PROFILING_COMMAND_START, 8, &start, nullptr);
    d.api.clGetEventProfilingInfo(done, CL_PROFILING_COMMAND_END, 8, &end, nullptr);
    Finish(end - start >= 2'000'000);
  };
  EXPECT_EXIT(run(), ExitedWithCode(0), "");
}

TEST_F(NullDriverTest, MemoryIsLimitedAndGivenBack) {
  const auto run = [] {
    setenv("XPOOL_NULL_MEMORY", "1048576", 1);
    Driver d;
    cl_int error = 0;
    cl_ulong size = 0;
    d.api.clGetDeviceInfo(d.device, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof(size), &size, nullptr);
    cl_mem first = d.api.clCreateBuffer(d.context, 0, 1 << 19, nullptr, nullptr);
    d.api.clCreateBuffer(d.context, 0, 1 << 19, nullptr, &error);
    bool ok = size == 1 << 20 && error == CL_SUCCESS;
    d.api.clCreateBuffer(d.context, 0, 1, nullptr, &error);
    ok = ok && error == CL_MEM_OBJECT_ALLOCATION_FAILURE;
    d.api.clReleaseMemObject(first);
    d.api.clCreateBuffer(d.context, 0, 1, nullptr, &error);
    Finish(ok && error == CL_SUCCESS);
  };
  EXPECT_EXIT(run(), ExitedWithCode(0), "");
}

TEST_F(NullDriverTest, FaultHitsTheNthCallOnly) {
  const auto run = [] {
    setenv("XPOOL_NULL_FAULT", "clFlush:-5:2,clCreateUserEvent:-6", 1);
    Driver d;
    cl_int error = 0;
    d.api.clCreateUserEvent(d.context, &error);
    Finish(d.api.clFlush(d.queue) == CL_SUCCESS && d.api.clFlush(d.queue) == CL_OUT_OF_RESOURCES &&
           d.api.clFlush(d.queue) == CL_SUCCESS && error == CL_OUT_OF_HOST_MEMORY);
  };
  EXPECT_EXIT(run(), ExitedWithCode(0), "");
}

TEST_F(NullDriverTest, FaultInAKernelBecomesItsStatus) {
  const auto run = [] {
    setenv("XPOOL_NULL_FAULT", "kernel:-5", 1);
    Driver d;
    cl_event done = nullptr;
    const bool enqueued = d.Launch(d.NothingKernel(), &done) == CL_SUCCESS;
    d.api.clWaitForEvents(1, &done);
    Finish(enqueued && d.Status(done) == CL_OUT_OF_RESOURCES);
  };
  EXPECT_EXIT(run(), ExitedWithCode(0), "");
}

TEST_F(NullDriverTest, FaultCrashes) {
  const auto run = [] {
    setenv("XPOOL_NULL_FAULT", "clFinish:crash", 1);
    Driver d;
    d.api.clFinish(d.queue);
    Finish(true);
  };
  EXPECT_EXIT(run(), KilledBySignal(SIGSEGV), "");
}

TEST_F(NullDriverTest, FaultHangs) {
  const auto run = [] {
    setenv("XPOOL_NULL_FAULT", "clFinish:hang", 1);
    Driver d;
    alarm(1);
    d.api.clFinish(d.queue);
    Finish(true);
  };
  EXPECT_EXIT(run(), KilledBySignal(SIGALRM), "");
}

}  // namespace
}  // namespace xpool::cl
