// Kernel arguments: values, handles, look-alikes of handles, local memory, structs, and what a launch remembers.
#include <array>
#include <cstdint>
#include <numeric>

#include "cl_test.h"

namespace xpool::conformance {
namespace {

class KernelArgsTest : public ClTest {};

TEST_F(KernelArgsTest, UlongEqualToALiveHandleStaysANumber) {
  NEEDS_RESULTS();
  Owned<cl_mem> out = NewBuffer(sizeof(cl_ulong));
  Owned<cl_mem> alive = NewBuffer(64);
  Owned<cl_event> event = NewUserEvent();
  Owned<cl_kernel> store = NewKernel("store_ulong");
  const std::array<void*, 5> handles = {alive.get(), queue(), context(), event.get(), store.get()};
  for (void* handle : handles) {
    cl_ulong value = reinterpret_cast<uintptr_t>(handle), got = 0;
    ASSERT_CL(SetArgs(store, out.get(), value));
    ASSERT_CL(Launch(queue(), store, 1));
    ASSERT_CL(clEnqueueReadBuffer(queue(), out, CL_TRUE, 0, sizeof(got), &got, 0, nullptr, nullptr));
    EXPECT_EQ(value, got);
  }
  ASSERT_CL(clSetUserEventStatus(event, CL_COMPLETE));
}

TEST_F(KernelArgsTest, UlongEqualToAHandleStaysANumberBehindAUserEvent) {
  NEEDS_RESULTS();
  Owned<cl_mem> out = NewBuffer(sizeof(cl_ulong));
  Owned<cl_event> gate = NewUserEvent();
  Owned<cl_kernel> store = NewKernel("store_ulong");
  cl_ulong value = reinterpret_cast<uintptr_t>(out.get()), got = 0;
  ASSERT_CL(SetArgs(store, out.get(), value));
  ASSERT_CL(Launch(queue(), store, 1, {gate}));
  ASSERT_CL(clSetUserEventStatus(gate, CL_COMPLETE));
  ASSERT_CL(clEnqueueReadBuffer(queue(), out, CL_TRUE, 0, sizeof(got), &got, 0, nullptr, nullptr));
  EXPECT_EQ(value, got);
}

TEST_F(KernelArgsTest, SetAfterEnqueueDoesNotReachAHeldLaunch) {
  NEEDS_RESULTS();
  Owned<cl_mem> first = NewInts({0}), second = NewInts({0});
  Owned<cl_kernel> fill = NewKernel("fill");
  Owned<cl_event> gate = NewUserEvent();
  ASSERT_CL(SetArgs(fill, first.get(), cl_int{1}));
  ASSERT_CL(Launch(queue(), fill, 1, {gate}));
  ASSERT_CL(SetArgs(fill, second.get(), cl_int{2}));
  ASSERT_CL(Launch(queue(), fill, 1));
  ASSERT_CL(SetArgs(fill, second.get(), cl_int{3}));
  ASSERT_CL(clSetUserEventStatus(gate, CL_COMPLETE));
  EXPECT_EQ(1, ReadInts(first, 1)[0]);
  EXPECT_EQ(2, ReadInts(second, 1)[0]);
}

TEST_F(KernelArgsTest, EveryHeldLaunchHasItsOwnArguments) {
  NEEDS_RESULTS();
  Owned<cl_mem> order = NewInts(std::vector<cl_int>(50, -1));
  Owned<cl_mem> next = NewInts({0});
  Owned<cl_kernel> append = NewKernel("append");
  Owned<cl_event> gate = NewUserEvent();
  std::vector<cl_int> expected(50);
  std::iota(expected.begin(), expected.end(), 0);
  for (cl_int value : expected) {
    ASSERT_CL(SetArgs(append, order.get(), next.get(), value));
    ASSERT_CL(Launch(queue(), append, 1, {gate}));
  }
  ASSERT_CL(clSetUserEventStatus(gate, CL_COMPLETE));
  EXPECT_EQ(expected, ReadInts(order, 50));
}

TEST_F(KernelArgsTest, BufferReleasedAfterEnqueueIsStillThere) {
  NEEDS_RESULTS();
  Owned<cl_mem> out = NewInts(std::vector<cl_int>(16, 0));
  Owned<cl_mem> in = NewInts(std::vector<cl_int>(16, 6));
  Owned<cl_kernel> duplicate = NewKernel("duplicate");
  Owned<cl_event> gate = NewUserEvent();
  ASSERT_CL(SetArgs(duplicate, in.get(), out.get()));
  ASSERT_CL(Launch(queue(), duplicate, 16, {gate}));
  in.Reset();
  duplicate.Reset();
  ASSERT_CL(clSetUserEventStatus(gate, CL_COMPLETE));
  EXPECT_EQ(std::vector<cl_int>(16, 6), ReadInts(out, 16));
}

TEST_F(KernelArgsTest, LocalMemoryIsGivenBySize) {
  NEEDS_RESULTS();
  std::vector<cl_int> values(64);
  std::iota(values.begin(), values.end(), 0);
  Owned<cl_mem> in = NewInts(values);
  Owned<cl_mem> out = NewInts({0, 0, 0, 0});
  Owned<cl_kernel> sum = NewKernel("sum_local");
  for (bool held : {false, true}) {
    Owned<cl_event> gate = NewUserEvent();
    cl_event wait = gate;
    ASSERT_CL(SetArgs(sum, in.get(), out.get()));
    ASSERT_CL(clSetKernelArg(sum, 2, 16 * sizeof(cl_int), nullptr));
    size_t global = 64, local = 16;
    ASSERT_CL(clEnqueueNDRangeKernel(queue(), sum, 1, nullptr, &global, &local, held ? 1 : 0, held ? &wait : nullptr,
                                     nullptr));
    ASSERT_CL(clSetUserEventStatus(gate, CL_COMPLETE));
    EXPECT_EQ((std::vector<cl_int>{120, 376, 632, 888}), ReadInts(out, 4));
  }
}

TEST_F(KernelArgsTest, StructsArriveWhole) {
  NEEDS_RESULTS();
  struct Mixed {
    cl_int a;
    cl_float b;
    cl_long c;
    cl_char d;
  } value = {-3, 7.0f, cl_long{1} << 40, 'x'};
  Owned<cl_mem> out = NewBuffer(4 * sizeof(cl_long));
  Owned<cl_kernel> store = NewKernel("store_struct");
  ASSERT_CL(SetArgs(store, out.get(), value));
  ASSERT_CL(Launch(queue(), store, 1));
  std::array<cl_long, 4> got{};
  ASSERT_CL(clEnqueueReadBuffer(queue(), out, CL_TRUE, 0, sizeof(got), got.data(), 0, nullptr, nullptr));
  EXPECT_EQ((std::array<cl_long, 4>{-3, 7, cl_long{1} << 40, 'x'}), got);
}

TEST_F(KernelArgsTest, NullBufferIsANullPointer) {
  NEEDS_RESULTS();
  Owned<cl_mem> out = NewInts({7});
  Owned<cl_kernel> kernel = NewKernel("null_pointer");
  cl_mem none = nullptr;
  ASSERT_CL(SetArgs(kernel, out.get(), none));
  ASSERT_CL(Launch(queue(), kernel, 1));
  EXPECT_EQ(1, ReadInts(out, 1)[0]);
  ASSERT_CL(clSetKernelArg(kernel, 1, sizeof(cl_mem), nullptr));
  ASSERT_CL(Launch(queue(), kernel, 1));
  EXPECT_EQ(1, ReadInts(out, 1)[0]);
}

TEST_F(KernelArgsTest, SubBufferIsAnArgument) {
  NEEDS_RESULTS();
  size_t align = Query<cl_uint>(clGetDeviceInfo, device(), CL_DEVICE_MEM_BASE_ADDR_ALIGN) / 8;
  Owned<cl_mem> parent = NewInts(std::vector<cl_int>(align, 0));
  cl_buffer_region region{align, align};
  cl_int status = CL_SUCCESS;
  Owned<cl_mem> window(clCreateSubBuffer(parent, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &status));
  ASSERT_CL(status);
  Owned<cl_kernel> fill = NewKernel("fill");
  ASSERT_CL(SetArgs(fill, window.get(), cl_int{9}));
  ASSERT_CL(Launch(queue(), fill, 1));
  EXPECT_EQ(9, ReadInts(parent, align)[align / 4]);
}

TEST_F(KernelArgsTest, MissingArgumentsRefuseTheLaunch) {
  NEEDS_RESULTS();
  Owned<cl_kernel> fill = NewKernel("fill");
  EXPECT_EQ(CL_INVALID_KERNEL_ARGS, Launch(queue(), fill, 1));
  Owned<cl_mem> buffer = NewInts({0});
  ASSERT_CL(SetArgs(fill, buffer.get()));
  EXPECT_EQ(CL_INVALID_KERNEL_ARGS, Launch(queue(), fill, 1));
}

TEST_F(KernelArgsTest, WrongArgumentsAreRefused) {
  NEEDS_RESULTS();
  Owned<cl_kernel> fill = NewKernel("fill");
  Owned<cl_kernel> sum = NewKernel("sum_local");
  Owned<cl_mem> buffer = NewInts({0});
  cl_mem handle = buffer;
  cl_int value = 0;
  EXPECT_EQ(CL_INVALID_ARG_INDEX, clSetKernelArg(fill, 2, sizeof(value), &value));
  EXPECT_EQ(CL_INVALID_ARG_INDEX, clSetKernelArg(fill, ~cl_uint{0}, sizeof(value), &value));
  EXPECT_EQ(CL_INVALID_ARG_SIZE, clSetKernelArg(fill, 1, sizeof(value) + 1, &value));
  EXPECT_EQ(CL_INVALID_ARG_SIZE, clSetKernelArg(fill, 0, sizeof(handle) - 1, &handle));
  EXPECT_EQ(CL_INVALID_ARG_VALUE, clSetKernelArg(fill, 1, sizeof(value), nullptr));
  EXPECT_EQ(CL_INVALID_ARG_SIZE, clSetKernelArg(sum, 2, 0, nullptr));
  EXPECT_EQ(CL_INVALID_ARG_VALUE, clSetKernelArg(sum, 2, sizeof(value), &value));
  EXPECT_EQ(CL_INVALID_KERNEL, clSetKernelArg(nullptr, 0, sizeof(handle), &handle));
}

TEST_F(KernelArgsTest, RefusedArgumentKeepsTheOldOne) {
  NEEDS_RESULTS();
  Owned<cl_kernel> fill = NewKernel("fill");
  Owned<cl_mem> buffer = NewInts({0});
  ASSERT_CL(SetArgs(fill, buffer.get(), cl_int{5}));
  cl_long wide = 8;
  EXPECT_EQ(CL_INVALID_ARG_SIZE, clSetKernelArg(fill, 1, sizeof(wide), &wide));
  ASSERT_CL(Launch(queue(), fill, 1));
  EXPECT_EQ(5, ReadInts(buffer, 1)[0]);
}

}  // namespace
}  // namespace xpool::conformance
