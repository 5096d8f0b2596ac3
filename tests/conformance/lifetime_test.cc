// Reference counts and release order: whatever the program lets go of while work is queued stays alive until it is
// done.
#include <algorithm>
#include <atomic>

#include "cl_test.h"

namespace xpool::conformance {
namespace {

class LifetimeTest : public ClTest {};

TEST_F(LifetimeTest, EveryObjectCountsItsReferences) {
  Owned<cl_mem> buffer = NewBuffer(64);
  ASSERT_CL(clRetainMemObject(buffer));
  EXPECT_EQ(2u, Query<cl_uint>(clGetMemObjectInfo, buffer.get(), CL_MEM_REFERENCE_COUNT));
  ASSERT_CL(clReleaseMemObject(buffer));
  Owned<cl_command_queue> queue = NewQueue();
  ASSERT_CL(clRetainCommandQueue(queue));
  EXPECT_EQ(2u, Query<cl_uint>(clGetCommandQueueInfo, queue.get(), CL_QUEUE_REFERENCE_COUNT));
  ASSERT_CL(clReleaseCommandQueue(queue));
  Owned<cl_kernel> kernel = NewKernel("fill");
  ASSERT_CL(clRetainKernel(kernel));
  EXPECT_EQ(2u, Query<cl_uint>(clGetKernelInfo, kernel.get(), CL_KERNEL_REFERENCE_COUNT));
  ASSERT_CL(clReleaseKernel(kernel));
  cl_program program = this->program();
  auto before = Query<cl_uint>(clGetProgramInfo, program, CL_PROGRAM_REFERENCE_COUNT);
  ASSERT_CL(clRetainProgram(program));
  EXPECT_EQ(before + 1, Query<cl_uint>(clGetProgramInfo, program, CL_PROGRAM_REFERENCE_COUNT));
  ASSERT_CL(clReleaseProgram(program));
}

TEST_F(LifetimeTest, EverythingReleasedWhileQueued) {
  for (int round = 0; round < 10; ++round) {
    cl_int status = CL_SUCCESS;
    cl_device_id device = this->device();
    cl_context context = clCreateContext(nullptr, 1, &device, nullptr, nullptr, &status);
    ASSERT_CL(status);
    cl_command_queue queue = clCreateCommandQueue(context, device, 0, &status);
    ASSERT_CL(status);
    cl_event gate = clCreateUserEvent(context, &status);
    ASSERT_CL(status);
    cl_program program = clCreateProgramWithSource(context, 1, const_cast<const char**>(&kKernels), nullptr, &status);
    ASSERT_CL(status);
    ASSERT_CL(clBuildProgram(program, 1, &device, "", nullptr, nullptr));
    cl_kernel kernel = clCreateKernel(program, "fill", &status);
    ASSERT_CL(status);
    cl_mem buffer = clCreateBuffer(context, CL_MEM_READ_WRITE, 1024, nullptr, &status);
    ASSERT_CL(status);
    ASSERT_CL(SetArgs(kernel, buffer, cl_int{round}));
    ASSERT_CL(Launch(queue, kernel, 16, {gate}));
    cl_event done = nullptr;
    ASSERT_CL(Launch(queue, kernel, 16, {}, &done));
    ASSERT_CL(clFlush(queue));
    // Another order of letting go each round; only the events are kept, to see the end.
    std::vector<cl_int (*)(cl_context, cl_command_queue, cl_program, cl_kernel, cl_mem)> releases = {
        [](cl_context c, cl_command_queue, cl_program, cl_kernel, cl_mem) { return clReleaseContext(c); },
        [](cl_context, cl_command_queue q, cl_program, cl_kernel, cl_mem) { return clReleaseCommandQueue(q); },
        [](cl_context, cl_command_queue, cl_program p, cl_kernel, cl_mem) { return clReleaseProgram(p); },
        [](cl_context, cl_command_queue, cl_program, cl_kernel k, cl_mem) { return clReleaseKernel(k); },
        [](cl_context, cl_command_queue, cl_program, cl_kernel, cl_mem m) { return clReleaseMemObject(m); },
    };
    std::rotate(releases.begin(), releases.begin() + round % 5, releases.end());
    if (round >= 5) std::reverse(releases.begin(), releases.end());
    for (auto release : releases) EXPECT_CL(release(context, queue, program, kernel, buffer));
    ASSERT_CL(clSetUserEventStatus(gate, CL_COMPLETE));
    EXPECT_CL(clWaitForEvents(1, &done));
    EXPECT_CL(clReleaseEvent(gate));
    EXPECT_CL(clReleaseEvent(done));
  }
}

TEST_F(LifetimeTest, ReleasedEventStillOrdersWhatWaitsForIt) {
  Owned<cl_mem> buffer = NewInts({0});
  Owned<cl_command_queue> other = NewQueue();
  Owned<cl_event> gate = NewUserEvent(), first;
  cl_event wait = gate;
  cl_int one = 1, two = 2;
  ASSERT_CL(clEnqueueFillBuffer(queue(), buffer, &one, 4, 0, 4, 1, &wait, first.out()));
  cl_event wait_first = first;
  ASSERT_CL(clEnqueueFillBuffer(other, buffer, &two, 4, 0, 4, 1, &wait_first, nullptr));
  first.Reset();
  ASSERT_CL(clFlush(queue()));
  ASSERT_CL(clFlush(other));
  ASSERT_CL(clSetUserEventStatus(gate, CL_COMPLETE));
  EXPECT_EQ(2, ReadInts(buffer, 1, other)[0]);
}

TEST_F(LifetimeTest, ManyShortLivedBuffersGiveTheirMemoryBack) {
  auto largest = Query<cl_ulong>(clGetDeviceInfo, device(), CL_DEVICE_MAX_MEM_ALLOC_SIZE);
  auto global = Query<cl_ulong>(clGetDeviceInfo, device(), CL_DEVICE_GLOBAL_MEM_SIZE);
  size_t bytes = static_cast<size_t>(std::min<cl_ulong>(largest, cl_ulong{64} << 20));
  cl_ulong total = 0;
  for (int i = 0; i < 400 && total < 3 * global; ++i, total += bytes) {
    cl_int status = CL_SUCCESS;
    Owned<cl_mem> buffer(clCreateBuffer(context(), CL_MEM_READ_WRITE, bytes, nullptr, &status));
    ASSERT_CL(status) << "buffer " << i << " after " << total << " bytes that were all released";
  }
}

TEST_F(LifetimeTest, DestructorCallbackComesAfterTheLastUse) {
  struct State {
    Latch latch{1};
    std::atomic<bool> destroyed{false};
  } state;
  Owned<cl_event> gate = NewUserEvent(), copied;
  Owned<cl_mem> from = NewInts({7}), to = NewInts({0});
  auto note = [](cl_mem, void* data) {
    static_cast<State*>(data)->destroyed = true;
    static_cast<State*>(data)->latch.CountDown();
  };
  ASSERT_CL(clSetMemObjectDestructorCallback(from, note, &state));
  cl_event wait = gate;
  ASSERT_CL(clEnqueueCopyBuffer(queue(), from, to, 0, 0, 4, 1, &wait, copied.out()));
  from.Reset();
  EXPECT_FALSE(state.destroyed);
  ASSERT_CL(clSetUserEventStatus(gate, CL_COMPLETE));
  EXPECT_EQ(7, ReadInts(to, 1)[0]);
  copied.Reset();
  ASSERT_CL(clFinish(queue()));
  EXPECT_TRUE(state.latch.Wait());
}

TEST_F(LifetimeTest, ContextsComeAndGo) {
  for (int i = 0; i < 200; ++i) {
    Owned<cl_context> context = NewContext();
    Owned<cl_command_queue> queue = NewQueueIn(context);
    cl_int status = CL_SUCCESS;
    Owned<cl_mem> buffer(clCreateBuffer(context, CL_MEM_READ_WRITE, 4096, nullptr, &status));
    ASSERT_CL(status);
    ASSERT_CL(clEnqueueFillBuffer(queue, buffer, &i, 4, 0, 4096, 0, nullptr, nullptr));
    if (i % 2 == 0) {
      ASSERT_CL(clFinish(queue));
    }
  }
}

}  // namespace
}  // namespace xpool::conformance
