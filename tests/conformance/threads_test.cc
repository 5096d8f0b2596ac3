// Many threads: on one queue, on their own queues, releasing while others use, completing user events for each other.
#include <atomic>
#include <thread>

#include "cl_test.h"

namespace xpool::conformance {
namespace {

class ThreadsTest : public ClTest {
 protected:
  template <typename Body>
  static void RunThreads(int count, Body body) {
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i) threads.emplace_back(body, i);
    for (auto& thread : threads) thread.join();
  }
};

TEST_F(ThreadsTest, ManyThreadsOneQueue) {
  NEEDS_RESULTS();
  Owned<cl_mem> buffer = NewInts(std::vector<cl_int>(64, 0));
  program();
  std::vector<Owned<cl_kernel>> kernels;
  for (int i = 0; i < 8; ++i) {
    kernels.push_back(NewKernel("add"));
    ASSERT_CL(SetArgs(kernels.back(), buffer.get(), cl_int{1}));
  }
  RunThreads(8, [&](int id) {
    for (int i = 0; i < 100; ++i) {
      EXPECT_CL(Launch(queue(), kernels[id], 64));
      if (i % 25 == 0) {
        EXPECT_CL(clFinish(queue()));
      }
    }
  });
  EXPECT_EQ(std::vector<cl_int>(64, 800), ReadInts(buffer, 64));
}

TEST_F(ThreadsTest, EveryThreadItsOwnQueue) {
  RunThreads(8, [&](int id) {
    Owned<cl_command_queue> queue = NewQueue(id % 2 == 0 ? 0 : CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
    Owned<cl_mem> buffer = NewInts({0});
    for (cl_int i = 0; i < 100; ++i) {
      EXPECT_CL(clEnqueueWriteBuffer(queue, buffer, CL_TRUE, 0, 4, &i, 0, nullptr, nullptr));
      EXPECT_EQ(i, ReadInts(buffer, 1, queue)[0]);
    }
  });
}

TEST_F(ThreadsTest, ReleaseRacesWithUse) {
  cl_int nothing = 0;
  for (int round = 0; round < 20; ++round) {
    cl_mem shared = NewInts({round}).Give();
    // Each thread has a reference of its own and gives it up at a different moment.
    for (int i = 0; i < 4; ++i) ASSERT_CL(clRetainMemObject(shared));
    ASSERT_CL(clReleaseMemObject(shared));
    RunThreads(4, [&](int id) {
      for (int i = 0; i <= id * 3; ++i) {
        EXPECT_CL(clEnqueueFillBuffer(queue(), shared, &nothing, 4, 0, 4, 0, nullptr, nullptr));
      }
      EXPECT_CL(clReleaseMemObject(shared));
    });
  }
  EXPECT_CL(clFinish(queue()));
}

TEST_F(ThreadsTest, RetainAndReleaseOfEverythingRace) {
  Owned<cl_mem> buffer = NewBuffer(64);
  Owned<cl_event> event = NewUserEvent();
  cl_program program = this->program();
  auto before = Query<cl_uint>(clGetProgramInfo, program, CL_PROGRAM_REFERENCE_COUNT);
  RunThreads(8, [&](int) {
    for (int i = 0; i < 2000; ++i) {
      clRetainMemObject(buffer), clRetainEvent(event), clRetainProgram(program), clRetainCommandQueue(queue());
      clReleaseCommandQueue(queue()), clReleaseProgram(program), clReleaseEvent(event), clReleaseMemObject(buffer);
    }
  });
  EXPECT_EQ(1u, Query<cl_uint>(clGetMemObjectInfo, buffer.get(), CL_MEM_REFERENCE_COUNT));
  EXPECT_EQ(1u, Query<cl_uint>(clGetEventInfo, event.get(), CL_EVENT_REFERENCE_COUNT));
  EXPECT_EQ(before, Query<cl_uint>(clGetProgramInfo, program, CL_PROGRAM_REFERENCE_COUNT));
  ASSERT_CL(clSetUserEventStatus(event, CL_COMPLETE));
}

TEST_F(ThreadsTest, UserEventsPassABaton) {
  constexpr int kLaps = 50;
  Owned<cl_command_queue> queues[2] = {NewQueue(), NewQueue()};
  std::vector<Owned<cl_event>> batons;
  for (int i = 0; i <= 2 * kLaps; ++i) batons.push_back(NewUserEvent());
  Owned<cl_mem> buffer = NewInts({0});
  ASSERT_CL(clSetUserEventStatus(batons[0], CL_COMPLETE));
  RunThreads(2, [&](int id) {
    for (cl_int lap = 0; lap < kLaps; ++lap) {
      cl_int turn = 2 * lap + id;
      cl_event wait = batons[turn];
      Owned<cl_event> done;
      ASSERT_CL(clEnqueueFillBuffer(queues[id], buffer, &turn, 4, 0, 4, 1, &wait, done.out()));
      cl_event list = done;
      ASSERT_CL(clWaitForEvents(1, &list));
      ASSERT_CL(clSetUserEventStatus(batons[turn + 1], CL_COMPLETE));
    }
  });
  EXPECT_EQ(2 * kLaps - 1, ReadInts(buffer, 1)[0]);
}

TEST_F(ThreadsTest, ContextsQueuesAndBuffersComeAndGoEverywhere) {
  RunThreads(6, [&](int id) {
    for (int i = 0; i < 20; ++i) {
      Owned<cl_context> context = NewContext();
      Owned<cl_command_queue> queue = NewQueueIn(context);
      cl_int status = CL_SUCCESS, got = -1;
      Owned<cl_mem> buffer(clCreateBuffer(context, CL_MEM_READ_WRITE, 4096, nullptr, &status));
      ASSERT_CL(status);
      ASSERT_CL(clEnqueueFillBuffer(queue, buffer, &id, 4, 0, 4096, 0, nullptr, nullptr));
      ASSERT_CL(clEnqueueReadBuffer(queue, buffer, CL_TRUE, 4092, 4, &got, 0, nullptr, nullptr));
      EXPECT_EQ(id, got);
    }
  });
}

TEST_F(ThreadsTest, WaitersOfOneEventAllWake) {
  Owned<cl_event> gate = NewUserEvent(), marker;
  cl_event wait = gate;
  ASSERT_CL(clEnqueueMarkerWithWaitList(queue(), 1, &wait, marker.out()));
  ASSERT_CL(clFlush(queue()));
  std::atomic<int> woken{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      cl_event list = marker;
      EXPECT_CL(clWaitForEvents(1, &list));
      ++woken;
    });
  }
  ASSERT_CL(clSetUserEventStatus(gate, CL_COMPLETE));
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(8, woken);
}

}  // namespace
}  // namespace xpool::conformance
