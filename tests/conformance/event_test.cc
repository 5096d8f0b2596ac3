// Events: queries, wait lists across queues, callbacks, profiling, waits across contexts.
#include <atomic>

#include "cl_test.h"

namespace xpool::conformance {
namespace {

class EventTest : public ClTest {};

TEST_F(EventTest, ReportsQueueContextAndType) {
  Owned<cl_event> event;
  ASSERT_CL(clEnqueueMarkerWithWaitList(queue(), 0, nullptr, event.out()));
  EXPECT_EQ(queue(), Query<cl_command_queue>(clGetEventInfo, event.get(), CL_EVENT_COMMAND_QUEUE));
  EXPECT_EQ(context(), Query<cl_context>(clGetEventInfo, event.get(), CL_EVENT_CONTEXT));
  EXPECT_EQ(cl_command_type{CL_COMMAND_MARKER},
            Query<cl_command_type>(clGetEventInfo, event.get(), CL_EVENT_COMMAND_TYPE));
  ASSERT_CL(clFinish(queue()));
  EXPECT_EQ(CL_COMPLETE, StatusOf(event));
}

TEST_F(EventTest, ReferenceCountsAreTheProgramsOwn) {
  Owned<cl_event> event = NewUserEvent();
  EXPECT_EQ(1u, Query<cl_uint>(clGetEventInfo, event.get(), CL_EVENT_REFERENCE_COUNT));
  ASSERT_CL(clRetainEvent(event));
  EXPECT_EQ(2u, Query<cl_uint>(clGetEventInfo, event.get(), CL_EVENT_REFERENCE_COUNT));
  ASSERT_CL(clReleaseEvent(event));
  ASSERT_CL(clSetUserEventStatus(event, CL_COMPLETE));
}

TEST_F(EventTest, WaitListsOrderAcrossQueues) {
  NEEDS_RESULTS();
  Owned<cl_command_queue> other = NewQueue();
  Owned<cl_mem> buffer = NewInts(std::vector<cl_int>(64, 0));
  Owned<cl_kernel> add = NewKernel("add");
  ASSERT_CL(SetArgs(add, buffer.get(), cl_int{1}));
  Owned<cl_event> last;
  for (int i = 0; i < 40; ++i) {
    Owned<cl_event> event;
    std::vector<cl_event> wait;
    if (last != nullptr) wait.push_back(last);
    ASSERT_CL(Launch(i % 2 == 0 ? queue() : other.get(), add, 64, wait, event.out()));
    last = std::move(event);
  }
  ASSERT_CL(clFlush(queue()));
  ASSERT_CL(clFlush(other));
  cl_event wait = last;
  ASSERT_CL(clWaitForEvents(1, &wait));
  EXPECT_EQ(std::vector<cl_int>(64, 40), ReadInts(buffer, 64));
}

TEST_F(EventTest, WaitListOfCompleteEventsIsNoWait) {
  Owned<cl_event> first, second;
  ASSERT_CL(clEnqueueMarkerWithWaitList(queue(), 0, nullptr, first.out()));
  ASSERT_CL(clFinish(queue()));
  cl_event wait = first;
  ASSERT_CL(clEnqueueMarkerWithWaitList(queue(), 1, &wait, second.out()));
  ASSERT_CL(clFinish(queue()));
  EXPECT_EQ(CL_COMPLETE, StatusOf(second));
}

TEST_F(EventTest, WaitFlushes) {
  Owned<cl_mem> buffer = NewBuffer(1024);
  Owned<cl_event> event;
  cl_int zero = 0;
  ASSERT_CL(clEnqueueFillBuffer(queue(), buffer, &zero, 4, 0, 1024, 0, nullptr, event.out()));
  cl_event wait = event;
  ASSERT_CL(clWaitForEvents(1, &wait));
  EXPECT_EQ(CL_COMPLETE, StatusOf(event));
}

struct Seen {
  Latch latch{3};
  std::atomic<cl_event> event{nullptr};
  std::atomic<cl_int> statuses[3] = {99, 99, 99};
};

void CL_CALLBACK NoteSubmitted(cl_event event, cl_int status, void* data) {
  auto* seen = static_cast<Seen*>(data);
  seen->event = event;
  seen->statuses[0] = status;
  seen->latch.CountDown();
}
void CL_CALLBACK NoteRunning(cl_event, cl_int status, void* data) {
  static_cast<Seen*>(data)->statuses[1] = status;
  static_cast<Seen*>(data)->latch.CountDown();
}
void CL_CALLBACK NoteComplete(cl_event, cl_int status, void* data) {
  static_cast<Seen*>(data)->statuses[2] = status;
  static_cast<Seen*>(data)->latch.CountDown();
}

TEST_F(EventTest, CallbacksOfAllThreeStatesCome) {
  Owned<cl_mem> buffer = NewBuffer(1024);
  Owned<cl_event> gate = NewUserEvent(), event;
  cl_event wait = gate;
  cl_int zero = 0;
  ASSERT_CL(clEnqueueFillBuffer(queue(), buffer, &zero, 4, 0, 1024, 1, &wait, event.out()));
  Seen seen;
  ASSERT_CL(clSetEventCallback(event, CL_SUBMITTED, NoteSubmitted, &seen));
  ASSERT_CL(clSetEventCallback(event, CL_RUNNING, NoteRunning, &seen));
  ASSERT_CL(clSetEventCallback(event, CL_COMPLETE, NoteComplete, &seen));
  ASSERT_CL(clFlush(queue()));
  ASSERT_CL(clSetUserEventStatus(gate, CL_COMPLETE));
  ASSERT_TRUE(seen.latch.Wait());
  EXPECT_EQ(event.get(), seen.event) << "the callback gets the handle that the program knows";
  EXPECT_EQ(CL_SUBMITTED, seen.statuses[0]);
  EXPECT_EQ(CL_RUNNING, seen.statuses[1]);
  EXPECT_EQ(CL_COMPLETE, seen.statuses[2]);
  ASSERT_CL(clFinish(queue()));
}

TEST_F(EventTest, CallbackOnACompleteEventComesAtOnce) {
  Owned<cl_event> event;
  ASSERT_CL(clEnqueueMarkerWithWaitList(queue(), 0, nullptr, event.out()));
  ASSERT_CL(clFinish(queue()));
  Latch latch(1);
  auto note = [](cl_event, cl_int, void* data) { static_cast<Latch*>(data)->CountDown(); };
  ASSERT_CL(clSetEventCallback(event, CL_COMPLETE, note, &latch));
  EXPECT_TRUE(latch.Wait());
}

TEST_F(EventTest, CallbackMayEnqueueMore) {
  struct State {
    cl_command_queue queue;
    cl_mem buffer;
    Latch latch{1};
    cl_int status = 99;
  } state{queue(), nullptr, Latch(1), 99};
  Owned<cl_mem> buffer = NewBuffer(64);
  state.buffer = buffer;
  Owned<cl_event> event;
  cl_int one = 1;
  ASSERT_CL(clEnqueueFillBuffer(queue(), buffer, &one, 4, 0, 64, 0, nullptr, event.out()));
  auto more = [](cl_event, cl_int, void* data) {
    auto* state = static_cast<State*>(data);
    cl_int two = 2;
    state->status = clEnqueueFillBuffer(state->queue, state->buffer, &two, 4, 0, 64, 0, nullptr, nullptr);
    clFlush(state->queue);
    state->latch.CountDown();
  };
  ASSERT_CL(clSetEventCallback(event, CL_COMPLETE, more, &state));
  ASSERT_CL(clFlush(queue()));
  ASSERT_TRUE(state.latch.Wait());
  EXPECT_CL(state.status);
  EXPECT_EQ(std::vector<cl_int>(16, 2), ReadInts(buffer, 16));
}

TEST_F(EventTest, ProfilingTimesAreInOrder) {
  Owned<cl_command_queue> queue = NewQueue(CL_QUEUE_PROFILING_ENABLE);
  Owned<cl_mem> buffer = NewBuffer(4096);
  Owned<cl_kernel> spin = NewKernel("spin");
  ASSERT_CL(SetArgs(spin, buffer.get(), cl_uint{10000}));
  std::vector<Owned<cl_event>> events(10);
  for (auto& event : events) ASSERT_CL(Launch(queue, spin, 64, {}, event.out()));
  ASSERT_CL(clFinish(queue));
  cl_ulong last_end = 0;
  for (auto& event : events) {
    cl_ulong times[4] = {};
    const cl_profiling_info names[] = {CL_PROFILING_COMMAND_QUEUED, CL_PROFILING_COMMAND_SUBMIT,
                                       CL_PROFILING_COMMAND_START, CL_PROFILING_COMMAND_END};
    for (int i = 0; i < 4; ++i) {
      ASSERT_CL(clGetEventProfilingInfo(event, names[i], sizeof(times[i]), &times[i], nullptr));
    }
    EXPECT_LE(times[0], times[1]);
    EXPECT_LE(times[1], times[2]);
    EXPECT_LE(times[2], times[3]);
    EXPECT_LE(last_end, times[2]) << "an in-order queue ran two kernels at once";
    last_end = times[3];
  }
}

TEST_F(EventTest, ProfilingOfAHeldCommandCountsTheHoldAsQueued) {
  Owned<cl_command_queue> queue = NewQueue(CL_QUEUE_PROFILING_ENABLE);
  Owned<cl_mem> buffer = NewBuffer(64);
  Owned<cl_event> gate = NewUserEvent(), event;
  cl_event wait = gate;
  cl_int zero = 0;
  ASSERT_CL(clEnqueueFillBuffer(queue, buffer, &zero, 4, 0, 64, 1, &wait, event.out()));
  cl_ulong time = 0;
  EXPECT_EQ(CL_PROFILING_INFO_NOT_AVAILABLE,
            clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof(time), &time, nullptr));
  ASSERT_CL(clSetUserEventStatus(gate, CL_COMPLETE));
  ASSERT_CL(clFinish(queue));
  cl_ulong queued = 0, start = 0;
  ASSERT_CL(clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_QUEUED, sizeof(queued), &queued, nullptr));
  ASSERT_CL(clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_START, sizeof(start), &start, nullptr));
  EXPECT_LE(queued, start);
}

TEST_F(EventTest, ProfilingNeedsAProfilingQueue) {
  Owned<cl_event> event;
  ASSERT_CL(clEnqueueMarkerWithWaitList(queue(), 0, nullptr, event.out()));
  ASSERT_CL(clFinish(queue()));
  cl_ulong time = 0;
  EXPECT_EQ(CL_PROFILING_INFO_NOT_AVAILABLE,
            clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof(time), &time, nullptr));
}

TEST_F(EventTest, WaitsAcrossContextsAreRefused) {
  Owned<cl_context> other = NewContext();
  cl_int status = CL_SUCCESS;
  Owned<cl_event> foreign(clCreateUserEvent(other, &status));
  ASSERT_CL(status);
  Owned<cl_event> ours = NewUserEvent();
  cl_event list[] = {ours, foreign};
  EXPECT_EQ(CL_INVALID_CONTEXT, clWaitForEvents(2, list));
  cl_event wait = foreign;
  EXPECT_EQ(CL_INVALID_CONTEXT, clEnqueueMarkerWithWaitList(queue(), 1, &wait, nullptr));
  Owned<cl_mem> buffer = NewBuffer(64);
  char data[64];
  EXPECT_EQ(CL_INVALID_CONTEXT, clEnqueueReadBuffer(queue(), buffer, CL_FALSE, 0, 64, data, 1, &wait, nullptr));
  ASSERT_CL(clSetUserEventStatus(foreign, CL_COMPLETE));
  ASSERT_CL(clSetUserEventStatus(ours, CL_COMPLETE));
}

TEST_F(EventTest, WrongArgumentsAreRefused) {
  Owned<cl_event> event = NewUserEvent();
  cl_event none = nullptr;
  cl_int value = 0;
  auto note = [](cl_event, cl_int, void*) {};
  EXPECT_EQ(CL_INVALID_VALUE, clWaitForEvents(0, nullptr));
  EXPECT_EQ(CL_INVALID_EVENT, clWaitForEvents(1, &none));
  EXPECT_EQ(CL_INVALID_EVENT, clRetainEvent(nullptr));
  EXPECT_EQ(CL_INVALID_EVENT, clReleaseEvent(nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, clGetEventInfo(event, 0x7777, sizeof(value), &value, nullptr));
  EXPECT_EQ(CL_INVALID_EVENT,
            clGetEventInfo(nullptr, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof(value), &value, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, clSetEventCallback(event, 7, note, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, clSetEventCallback(event, CL_COMPLETE, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_EVENT, clSetEventCallback(nullptr, CL_COMPLETE, note, nullptr));
  ASSERT_CL(clSetUserEventStatus(event, CL_COMPLETE));
}

}  // namespace
}  // namespace xpool::conformance
