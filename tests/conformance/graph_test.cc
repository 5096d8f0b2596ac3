// Out-of-order queues as task graphs, markers, barriers, native kernels.
#include <array>
#include <atomic>
#include <random>

#include "cl_test.h"

namespace xpool::conformance {
namespace {

class GraphTest : public ClTest {
 protected:
  void SetUp() override {
    ClTest::SetUp();
    any_order_ = NewQueue(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
  }
  Owned<cl_command_queue> any_order_;
};

TEST_F(GraphTest, DiamondRespectsItsEdges) {
  NEEDS_RESULTS();
  Owned<cl_mem> order = NewInts(std::vector<cl_int>(4, -1)), next = NewInts({0});
  Owned<cl_kernel> append = NewKernel("append");
  auto node = [&](cl_int value, const std::vector<cl_event>& wait) {
    Owned<cl_event> event;
    EXPECT_CL(SetArgs(append, order.get(), next.get(), value));
    EXPECT_CL(Launch(any_order_, append, 1, wait, event.out()));
    return event;
  };
  Owned<cl_event> top = node(0, {});
  Owned<cl_event> left = node(1, {top}), right = node(2, {top});
  Owned<cl_event> bottom = node(3, {left, right});
  ASSERT_CL(clFinish(any_order_));
  std::vector<cl_int> got = ReadInts(order, 4);
  EXPECT_EQ(0, got[0]);
  EXPECT_EQ(3, got[3]);
}

TEST_F(GraphTest, RandomGraphsRespectTheirEdges) {
  NEEDS_RESULTS();
  constexpr int kNodes = 60;
  std::minstd_rand random(7);
  Owned<cl_mem> order = NewInts(std::vector<cl_int>(kNodes, -1)), next = NewInts({0});
  Owned<cl_kernel> append = NewKernel("append");
  Owned<cl_event> gate = NewUserEvent();
  std::vector<Owned<cl_event>> events(kNodes);
  std::vector<std::vector<int>> before(kNodes);
  for (cl_int i = 0; i < kNodes; ++i) {
    std::vector<cl_event> wait;
    if (i % 7 == 0) wait.push_back(gate);
    for (int edge = 0; i > 0 && edge < 3; ++edge) {
      int from = static_cast<int>(random() % static_cast<unsigned>(i));
      before[i].push_back(from);
      wait.push_back(events[from]);
    }
    ASSERT_CL(SetArgs(append, order.get(), next.get(), i));
    ASSERT_CL(Launch(i % 5 == 0 ? queue() : any_order_.get(), append, 1, wait, events[i].out()));
  }
  ASSERT_CL(clFlush(queue()));
  ASSERT_CL(clSetUserEventStatus(gate, CL_COMPLETE));
  ASSERT_CL(clFinish(any_order_));
  std::vector<cl_int> got = ReadInts(order, kNodes);
  std::vector<int> position(kNodes, -1);
  for (int i = 0; i < kNodes; ++i) {
    ASSERT_TRUE(got[i] >= 0 && got[i] < kNodes) << "node lost";
    position[got[i]] = i;
  }
  for (int i = 0; i < kNodes; ++i) {
    for (int from : before[i]) EXPECT_LT(position[from], position[i]) << from << " before " << i;
  }
}

TEST_F(GraphTest, ReadyCommandsPassOnesThatWait) {
  Owned<cl_mem> held = NewInts({0}), free_one = NewInts({0});
  Owned<cl_event> gate = NewUserEvent(), ready;
  cl_event wait = gate;
  cl_int one = 1;
  ASSERT_CL(clEnqueueFillBuffer(any_order_, held, &one, 4, 0, 4, 1, &wait, nullptr));
  ASSERT_CL(clEnqueueFillBuffer(any_order_, free_one, &one, 4, 0, 4, 0, nullptr, ready.out()));
  cl_event list = ready;
  ASSERT_CL(clWaitForEvents(1, &list)) << "a command that waits must not hold up one that does not";
  ASSERT_CL(clSetUserEventStatus(gate, CL_COMPLETE));
  ASSERT_CL(clFinish(any_order_));
  EXPECT_EQ(1, ReadInts(held, 1)[0]);
}

TEST_F(GraphTest, BarrierHoldsWhatComesAfter) {
  Owned<cl_mem> buffer = NewInts({0});
  Owned<cl_event> gate = NewUserEvent(), barrier, after;
  cl_event wait = gate;
  cl_int one = 1, two = 2;
  ASSERT_CL(clEnqueueFillBuffer(any_order_, buffer, &one, 4, 0, 4, 1, &wait, nullptr));
  ASSERT_CL(clEnqueueBarrierWithWaitList(any_order_, 0, nullptr, barrier.out()));
  ASSERT_CL(clEnqueueFillBuffer(any_order_, buffer, &two, 4, 0, 4, 0, nullptr, after.out()));
  ASSERT_CL(clFlush(any_order_));
  EXPECT_LT(CL_COMPLETE, StatusOf(barrier));
  EXPECT_LT(CL_COMPLETE, StatusOf(after));
  EXPECT_EQ(cl_command_type{CL_COMMAND_BARRIER},
            Query<cl_command_type>(clGetEventInfo, barrier.get(), CL_EVENT_COMMAND_TYPE));
  ASSERT_CL(clSetUserEventStatus(gate, CL_COMPLETE));
  ASSERT_CL(clFinish(any_order_));
  EXPECT_EQ(2, ReadInts(buffer, 1)[0]);
}

TEST_F(GraphTest, MarkerWaitsForAllBeforeIt) {
  Owned<cl_mem> buffer = NewInts({0});
  Owned<cl_event> gate = NewUserEvent(), marker;
  cl_event wait = gate;
  cl_int one = 1;
  ASSERT_CL(clEnqueueFillBuffer(any_order_, buffer, &one, 4, 0, 4, 1, &wait, nullptr));
  ASSERT_CL(clEnqueueMarkerWithWaitList(any_order_, 0, nullptr, marker.out()));
  EXPECT_LT(CL_COMPLETE, StatusOf(marker));
  ASSERT_CL(clSetUserEventStatus(gate, CL_COMPLETE));
  cl_event list = marker;
  ASSERT_CL(clWaitForEvents(1, &list));
  EXPECT_EQ(1, ReadInts(buffer, 1)[0]);
}

TEST_F(GraphTest, DeprecatedMarkersAndBarriersWork) {
  Owned<cl_event> marker;
  ASSERT_CL(clEnqueueMarker(queue(), marker.out()));
  ASSERT_CL(clEnqueueBarrier(queue()));
  ASSERT_CL(clFinish(queue()));
  EXPECT_EQ(CL_COMPLETE, StatusOf(marker));
}

TEST_F(GraphTest, DeprecatedWaitForEventsWorks) {
  KNOWN_NATIVE_DEVIATION(POCL, "aborts: clEnqueueWaitForEvents is not implemented");
  Owned<cl_event> marker;
  ASSERT_CL(clEnqueueMarkerWithWaitList(queue(), 0, nullptr, marker.out()));
  cl_event wait = marker;
  ASSERT_CL(clEnqueueWaitForEvents(queue(), 1, &wait));
  ASSERT_CL(clFinish(queue()));
}

struct NativeArguments {
  std::array<char, 64>* note;
  void* memory;
  int bytes;
  std::atomic<int>* turn;  // 1 the kernel's, 2 the test's: the thread sanitizer does not see a driver order the two
};

void CL_CALLBACK FillWithFives(void* data) {
  auto* arguments = static_cast<NativeArguments*>(data);
  const int turn = arguments->turn->load();
  memset(arguments->memory, 5, static_cast<size_t>(arguments->bytes));
  (*arguments->note)[0] = 'x';
  arguments->turn->store(turn + 1);
}

class NativeKernelTest : public GraphTest {
 protected:
  void SetUp() override {
    GraphTest::SetUp();
    auto has = Query<cl_device_exec_capabilities>(clGetDeviceInfo, device(), CL_DEVICE_EXECUTION_CAPABILITIES);
    if ((has & CL_EXEC_NATIVE_KERNEL) == 0) GTEST_SKIP() << "no native kernels";
  }
};

TEST_F(NativeKernelTest, SeesTheMemoryBehindItsHandle) {
  NEEDS_RESULTS();
  Owned<cl_mem> buffer = NewInts(std::vector<cl_int>(16, 0));
  Owned<cl_event> gate = NewUserEvent(), event;
  for (bool held : {false, true}) {
    std::array<char, 64> note{};
    std::atomic<int> turn{0};
    NativeArguments arguments{&note, nullptr, held ? 32 : 16, &turn};
    cl_mem memory = buffer;
    const void* location = &arguments.memory;
    cl_event wait = gate;
    turn = 1;
    ASSERT_CL(clEnqueueNativeKernel(queue(), FillWithFives, &arguments, sizeof(arguments), 1, &memory, &location,
                                    held ? 1 : 0, held ? &wait : nullptr, event.out()));
    arguments = {};  // the arguments were copied
    if (held) {
      ASSERT_CL(clSetUserEventStatus(gate, CL_COMPLETE));
    }
    ASSERT_CL(clFinish(queue()));
    EXPECT_EQ(2, turn);
    EXPECT_EQ('x', note[0]);
    std::vector<cl_int> expected(16, 0);
    std::fill(expected.begin(), expected.begin() + (held ? 8 : 4), 0x05050505);
    EXPECT_EQ(expected, ReadInts(buffer, 16));
  }
}

TEST_F(NativeKernelTest, WrongArgumentsAreRefused) {
  int value = 0;
  EXPECT_EQ(CL_INVALID_VALUE,
            clEnqueueNativeKernel(queue(), nullptr, &value, sizeof(value), 0, nullptr, nullptr, 0, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, clEnqueueNativeKernel(queue(), FillWithFives, nullptr, sizeof(value), 0, nullptr, nullptr,
                                                    0, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE,
            clEnqueueNativeKernel(queue(), FillWithFives, &value, 0, 0, nullptr, nullptr, 0, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_COMMAND_QUEUE, clEnqueueNativeKernel(nullptr, FillWithFives, &value, sizeof(value), 0, nullptr,
                                                            nullptr, 0, nullptr, nullptr));
}

}  // namespace
}  // namespace xpool::conformance
