// Shared virtual memory and pipes, as far as the device has them.
#include <algorithm>
#include <atomic>

#include "cl_test.h"

namespace xpool::conformance {
namespace {

class SvmTest : public ClTest {
 protected:
  void SetUp() override {
    ClTest::SetUp();
    cl_device_svm_capabilities has = 0;
    clGetDeviceInfo(device(), CL_DEVICE_SVM_CAPABILITIES, sizeof(has), &has, nullptr);
    if ((has & CL_DEVICE_SVM_COARSE_GRAIN_BUFFER) == 0) GTEST_SKIP() << "no shared virtual memory";
  }
  void TearDown() override {
    clFinish(queue());
    for (void* pointer : allocations_) clSVMFree(context(), pointer);
  }
  cl_int* NewSvm(size_t count) {
    void* pointer = clSVMAlloc(context(), CL_MEM_READ_WRITE, count * sizeof(cl_int), 0);
    EXPECT_NE(nullptr, pointer);
    if (pointer != nullptr) allocations_.push_back(pointer);
    return static_cast<cl_int*>(pointer);
  }
  cl_int Fill(cl_int* pointer, cl_int value, size_t count) {
    return clEnqueueSVMMemFill(queue(), pointer, &value, sizeof(value), count * sizeof(cl_int), 0, nullptr, nullptr);
  }
  cl_int Map(cl_map_flags flags, cl_int* pointer, size_t count) {
    return clEnqueueSVMMap(queue(), CL_TRUE, flags, pointer, count * sizeof(cl_int), 0, nullptr, nullptr);
  }
  cl_int Unmap(cl_int* pointer) { return clEnqueueSVMUnmap(queue(), pointer, 0, nullptr, nullptr); }
  // |count| times |value|, written by the program.
  cl_int* NewWritten(size_t count, cl_int value) {
    cl_int* data = NewSvm(count);
    EXPECT_CL(Map(CL_MAP_WRITE, data, count));
    std::fill(data, data + count, value);
    EXPECT_CL(Unmap(data));
    return data;
  }

 private:
  std::vector<void*> allocations_;
};

TEST_F(SvmTest, KernelWorksOnMappedMemory) {
  NEEDS_RESULTS();
  cl_int* data = NewWritten(64, 10);
  Owned<cl_kernel> add = NewKernel("add");
  cl_int delta = 5;
  ASSERT_CL(clSetKernelArgSVMPointer(add, 0, data));
  ASSERT_CL(clSetKernelArg(add, 1, sizeof(delta), &delta));
  ASSERT_CL(Launch(queue(), add, 64));
  ASSERT_CL(Map(CL_MAP_READ, data, 64));
  EXPECT_TRUE(std::all_of(data, data + 64, [](cl_int value) { return value == 15; }));
  EXPECT_CL(Unmap(data));
}

TEST_F(SvmTest, PointerIntoTheMiddleIsAnArgument) {
  NEEDS_RESULTS();
  cl_int* data = NewWritten(64, 0);
  Owned<cl_kernel> fill = NewKernel("fill");
  cl_int value = 3;
  ASSERT_CL(clSetKernelArgSVMPointer(fill, 0, data + 32));
  ASSERT_CL(clSetKernelArg(fill, 1, sizeof(value), &value));
  ASSERT_CL(Launch(queue(), fill, 32));
  ASSERT_CL(Map(CL_MAP_READ, data, 64));
  EXPECT_EQ(0, data[31]);
  EXPECT_EQ(3, data[32]);
  EXPECT_EQ(3, data[63]);
  EXPECT_CL(Unmap(data));
}

TEST_F(SvmTest, FillAndCopyMoveBytes) {
  cl_int* from = NewSvm(64);
  cl_int* to = NewSvm(64);
  ASSERT_CL(Fill(from, 21, 64));
  ASSERT_CL(clEnqueueSVMMemcpy(queue(), CL_TRUE, to, from, 256, 0, nullptr, nullptr));
  cl_int host[64] = {};
  ASSERT_CL(clEnqueueSVMMemcpy(queue(), CL_TRUE, host, to, 256, 0, nullptr, nullptr));
  EXPECT_TRUE(std::all_of(host, host + 64, [](cl_int value) { return value == 21; }));
}

TEST_F(SvmTest, BufferOverSharedMemorySaysSo) {
  NEEDS_A_REAL_DRIVER();
  cl_int* data = NewSvm(64);
  cl_int status = CL_SUCCESS;
  Owned<cl_mem> buffer(clCreateBuffer(context(), CL_MEM_USE_HOST_PTR, 256, data, &status));
  ASSERT_CL(status);
  EXPECT_EQ(cl_bool{CL_TRUE}, Query<cl_bool>(clGetMemObjectInfo, buffer.get(), CL_MEM_USES_SVM_POINTER));
}

struct FreeCall {
  Latch latch{1};
  cl_uint count = 0;
  void* pointer = nullptr;
  cl_command_queue queue = nullptr;
};

TEST_F(SvmTest, EnqueuedFreeCallsBackWithOurQueue) {
  void* pointer = clSVMAlloc(context(), CL_MEM_READ_WRITE, 4096, 0);
  ASSERT_NE(nullptr, pointer);
  FreeCall call;
  auto on_free = [](cl_command_queue queue, cl_uint count, void** pointers, void* data) {
    auto* call = static_cast<FreeCall*>(data);
    call->queue = queue;
    call->count = count;
    call->pointer = pointers[0];
    call->latch.CountDown();
  };
  ASSERT_CL(clEnqueueSVMFree(queue(), 1, &pointer, on_free, &call, 0, nullptr, nullptr));
  ASSERT_CL(clFlush(queue()));
  ASSERT_TRUE(call.latch.Wait());
  EXPECT_EQ(1u, call.count);
  EXPECT_EQ(pointer, call.pointer);
  EXPECT_EQ(queue(), call.queue);
  ASSERT_CL(clFinish(queue()));
  clSVMFree(context(), pointer);
}

TEST_F(SvmTest, WrongAllocationsAreNull) {
  auto largest = Query<cl_ulong>(clGetDeviceInfo, device(), CL_DEVICE_MAX_MEM_ALLOC_SIZE);
  EXPECT_EQ(nullptr, clSVMAlloc(context(), CL_MEM_READ_WRITE, 0, 0));
  EXPECT_EQ(nullptr, clSVMAlloc(context(), CL_MEM_READ_WRITE, largest + 1, 0));
  EXPECT_EQ(nullptr, clSVMAlloc(context(), CL_MEM_READ_WRITE, 64, 3));
  EXPECT_EQ(nullptr, clSVMAlloc(nullptr, CL_MEM_READ_WRITE, 64, 0));
  clSVMFree(context(), nullptr);
}

TEST_F(SvmTest, WrongCommandsAreRefused) {
  NEEDS_A_REAL_DRIVER();
  cl_int* data = NewSvm(64);
  EXPECT_EQ(CL_INVALID_VALUE, clEnqueueSVMMap(queue(), CL_TRUE, CL_MAP_READ, nullptr, 64, 0, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, clEnqueueSVMMap(queue(), CL_TRUE, CL_MAP_READ, data, 0, 0, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, clEnqueueSVMUnmap(queue(), nullptr, 0, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, clEnqueueSVMMemcpy(queue(), CL_TRUE, nullptr, data, 64, 0, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_COMMAND_QUEUE, clEnqueueSVMMap(nullptr, CL_TRUE, CL_MAP_READ, data, 4, 0, nullptr, nullptr));
  EXPECT_EQ(CL_MEM_COPY_OVERLAP, clEnqueueSVMMemcpy(queue(), CL_TRUE, data, data + 1, 64, 0, nullptr, nullptr));
}

TEST_F(SvmTest, ExecInfoTakesPointers) {
  cl_int* data = NewSvm(64);
  Owned<cl_kernel> add = NewKernel("add");
  void* pointers[] = {data};
  EXPECT_CL(clSetKernelExecInfo(add, CL_KERNEL_EXEC_INFO_SVM_PTRS, sizeof(pointers), pointers));
  if (!DriverDeviates(POCL)) {  // PoCL takes any name
    EXPECT_EQ(CL_INVALID_VALUE, clSetKernelExecInfo(add, 0x7777, sizeof(pointers), pointers));
  }
  EXPECT_EQ(CL_INVALID_KERNEL, clSetKernelExecInfo(nullptr, CL_KERNEL_EXEC_INFO_SVM_PTRS, sizeof(pointers), pointers));
}

TEST_F(SvmTest, PointersInSharedMemoryMeanTheSameToTheKernel) {
  NEEDS_RESULTS();
  constexpr char kSource[] = R"(
struct Node { global struct Node* next; int value; };
kernel void walk(global struct Node* node, global int* sum) {
  for (; node != 0; node = node->next) *sum += node->value;
})";
  struct Node {
    Node* next;
    cl_int value;
  };
  Node* nodes[3];
  for (Node*& node : nodes) node = reinterpret_cast<Node*>(NewSvm(sizeof(Node) / sizeof(cl_int)));
  cl_int* sum = NewSvm(1);
  for (int i = 0; i < 3; ++i) {
    auto* ints = reinterpret_cast<cl_int*>(nodes[i]);
    ASSERT_CL(Map(CL_MAP_WRITE, ints, sizeof(Node) / sizeof(cl_int)));
    *nodes[i] = {i == 2 ? nullptr : nodes[i + 1], 1 << i};
    ASSERT_CL(Unmap(ints));
  }
  ASSERT_CL(Fill(sum, 0, 1));
  Owned<cl_program> program = NewProgram(kSource);
  Owned<cl_kernel> walk = NewKernel(program, "walk");
  ASSERT_CL(clSetKernelArgSVMPointer(walk, 0, nodes[0]));
  ASSERT_CL(clSetKernelArgSVMPointer(walk, 1, sum));
  ASSERT_CL(clSetKernelExecInfo(walk, CL_KERNEL_EXEC_INFO_SVM_PTRS, sizeof(nodes), nodes));
  ASSERT_CL(Launch(queue(), walk, 1));
  ASSERT_CL(Map(CL_MAP_READ, sum, 1));
  EXPECT_EQ(7, *sum);
  EXPECT_CL(Unmap(sum));
}

TEST_F(SvmTest, LargeRegionsKeepWhatTheProgramDidNotWrite) {
  constexpr size_t kInts = size_t{2} << 20;
  cl_int* data = NewSvm(kInts);
  ASSERT_CL(Fill(data, 9, kInts));
  ASSERT_CL(Map(CL_MAP_WRITE, data, kInts));
  data[0] = 1;
  data[kInts / 2] = 2;
  data[kInts - 1] = 3;
  ASSERT_CL(Unmap(data));
  std::vector<cl_int> host(kInts);
  ASSERT_CL(clEnqueueSVMMemcpy(queue(), CL_TRUE, host.data(), data, kInts * sizeof(cl_int), 0, nullptr, nullptr));
  EXPECT_EQ(1, host[0]);
  EXPECT_EQ(9, host[1]);
  EXPECT_EQ(2, host[kInts / 2]);
  EXPECT_EQ(3, host[kInts - 1]);
}

TEST_F(SvmTest, DiscardingMapWritesItsPartAlone) {
  cl_int* data = NewSvm(64);
  ASSERT_CL(Fill(data, 4, 64));
  ASSERT_CL(Map(CL_MAP_WRITE_INVALIDATE_REGION, data + 16, 16));
  std::fill(data + 16, data + 32, 8);
  ASSERT_CL(Unmap(data + 16));
  ASSERT_CL(Map(CL_MAP_READ, data, 64));
  EXPECT_EQ(4, data[15]);
  EXPECT_EQ(8, data[16]);
  EXPECT_EQ(8, data[31]);
  EXPECT_EQ(4, data[32]);
  EXPECT_CL(Unmap(data));
}

TEST_F(SvmTest, MapThatNobodyWaitedForChangesNothing) {
  cl_int* data = NewSvm(64);
  ASSERT_CL(Fill(data, 6, 64));
  ASSERT_CL(clEnqueueSVMMap(queue(), CL_FALSE, CL_MAP_WRITE, data, 256, 0, nullptr, nullptr));
  ASSERT_CL(Unmap(data));
  ASSERT_CL(Map(CL_MAP_READ, data, 64));
  EXPECT_TRUE(std::all_of(data, data + 64, [](cl_int value) { return value == 6; }));
  EXPECT_CL(Unmap(data));
}

TEST_F(SvmTest, CopiesFromTheProgramsMemory) {
  constexpr size_t kInts = 100000;
  cl_int* data = NewSvm(kInts);
  std::vector<cl_int> from(kInts, 11), to(kInts);
  for (const size_t count : {size_t{64}, kInts}) {
    from[count - 1] = static_cast<cl_int>(count);
    const size_t bytes = count * sizeof(cl_int);
    Owned<cl_event> copied;
    ASSERT_CL(clEnqueueSVMMemcpy(queue(), CL_FALSE, data, from.data(), bytes, 0, nullptr, copied.out()));
    cl_event events[] = {copied};
    ASSERT_CL(clEnqueueSVMMemcpy(queue(), CL_TRUE, to.data(), data, bytes, 1, events, nullptr));
    EXPECT_EQ(11, to[0]);
    EXPECT_EQ(static_cast<cl_int>(count), to[count - 1]);
  }
}

TEST_F(SvmTest, BufferOverSharedMemoryHasItsBytes) {
  NEEDS_RESULTS();
  cl_int* data = NewWritten(64, 10);
  cl_int status = CL_SUCCESS;
  Owned<cl_mem> buffer(clCreateBuffer(context(), CL_MEM_USE_HOST_PTR, 256, data, &status));
  ASSERT_CL(status);
  Owned<cl_kernel> add = NewKernel("add");
  cl_int delta = 5;
  cl_mem argument = buffer;
  ASSERT_CL(clSetKernelArg(add, 0, sizeof(argument), &argument));
  ASSERT_CL(clSetKernelArg(add, 1, sizeof(delta), &delta));
  ASSERT_CL(Launch(queue(), add, 64));
  ASSERT_CL(clFinish(queue()));
  ASSERT_CL(Map(CL_MAP_READ, data, 64));
  EXPECT_EQ(15, data[0]);
  EXPECT_EQ(15, data[63]);
  EXPECT_CL(Unmap(data));
}

TEST_F(SvmTest, EnqueuedFreeHasCalledBackWhenTheQueueIsFinished) {
  void* pointer = clSVMAlloc(context(), CL_MEM_READ_WRITE, 4096, 0);
  ASSERT_NE(nullptr, pointer);
  std::atomic<bool> called{false};
  auto on_free = [](cl_command_queue, cl_uint, void**, void* data) { *static_cast<std::atomic<bool>*>(data) = true; };
  ASSERT_CL(clEnqueueSVMFree(queue(), 1, &pointer, on_free, &called, 0, nullptr, nullptr));
  ASSERT_CL(clFinish(queue()));
  EXPECT_TRUE(called);
  clSVMFree(context(), pointer);
}

TEST_F(SvmTest, FreedMemoryIsThereAgain) {
  constexpr size_t kBytes = size_t{48} << 20;
  for (int i = 0; i < 24; ++i) {  // more in all than a slice has
    void* pointer = clSVMAlloc(context(), CL_MEM_READ_WRITE, kBytes, 0);
    ASSERT_NE(nullptr, pointer) << i;
    if (i % 2 == 0) {
      clSVMFree(context(), pointer);
      continue;
    }
    ASSERT_CL(clEnqueueSVMFree(queue(), 1, &pointer, nullptr, nullptr, 0, nullptr, nullptr));
    ASSERT_CL(clFinish(queue()));
  }
}

TEST_F(SvmTest, ManySmallAllocationsKeepApart) {
  std::vector<cl_int*> all;
  for (cl_int i = 0; i < 200; ++i) {
    all.push_back(NewSvm(8));
    ASSERT_NE(nullptr, all.back());
    ASSERT_CL(Fill(all.back(), i, 8));
  }
  for (cl_int i = 0; i < 200; ++i) {
    ASSERT_CL(Map(CL_MAP_READ, all[i], 8));
    EXPECT_EQ(i, all[i][0]);
    EXPECT_EQ(i, all[i][7]);
    ASSERT_CL(Unmap(all[i]));
  }
}

class PipeTest : public ClTest {};

TEST_F(PipeTest, ReportsPacketsOrIsRefused) {
  cl_bool supported = CL_FALSE;
  clGetDeviceInfo(device(), CL_DEVICE_PIPE_SUPPORT, sizeof(supported), &supported, nullptr);
  cl_int status = CL_SUCCESS;
  if (!supported) {
    KNOWN_DEVIATION(POCL, "makes pipes although it says that it has none");
    Owned<cl_mem> pipe(clCreatePipe(context(), CL_MEM_HOST_NO_ACCESS, 4, 64, nullptr, &status));
    EXPECT_EQ(CL_INVALID_OPERATION, status);
    return;
  }
  Owned<cl_mem> pipe(clCreatePipe(context(), CL_MEM_HOST_NO_ACCESS, 4, 64, nullptr, &status));
  ASSERT_CL(status);
  EXPECT_EQ(4u, Query<cl_uint>(clGetPipeInfo, pipe.get(), CL_PIPE_PACKET_SIZE));
  EXPECT_EQ(64u, Query<cl_uint>(clGetPipeInfo, pipe.get(), CL_PIPE_MAX_PACKETS));
  clCreatePipe(context(), CL_MEM_HOST_NO_ACCESS, 0, 64, nullptr, &status);
  EXPECT_EQ(CL_INVALID_PIPE_SIZE, status);
}

}  // namespace
}  // namespace xpool::conformance
