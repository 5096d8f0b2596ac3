// User events: completion, failure, deep queues behind them, and what the program may do meanwhile.
#include <thread>

#include "cl_test.h"

namespace xpool::conformance {
namespace {

class UserEventTest : public ClTest {};

TEST_F(UserEventTest, IsSubmittedUntilSet) {
  Owned<cl_event> event = NewUserEvent();
  EXPECT_EQ(CL_SUBMITTED, StatusOf(event));
  EXPECT_EQ(cl_command_type{CL_COMMAND_USER},
            Query<cl_command_type>(clGetEventInfo, event.get(), CL_EVENT_COMMAND_TYPE));
  EXPECT_EQ(nullptr, Query<cl_command_queue>(clGetEventInfo, event.get(), CL_EVENT_COMMAND_QUEUE));
  EXPECT_EQ(context(), Query<cl_context>(clGetEventInfo, event.get(), CL_EVENT_CONTEXT));
  ASSERT_CL(clSetUserEventStatus(event, CL_COMPLETE));
  EXPECT_EQ(CL_COMPLETE, StatusOf(event));
}

TEST_F(UserEventTest, StatusIsSetOnceAndChecked) {
  Owned<cl_event> event = NewUserEvent();
  EXPECT_EQ(CL_INVALID_VALUE, clSetUserEventStatus(event, CL_RUNNING));
  EXPECT_EQ(CL_INVALID_VALUE, clSetUserEventStatus(event, 5));
  ASSERT_CL(clSetUserEventStatus(event, CL_COMPLETE));
  EXPECT_EQ(CL_INVALID_OPERATION, clSetUserEventStatus(event, CL_COMPLETE));
  EXPECT_EQ(CL_INVALID_EVENT, clSetUserEventStatus(nullptr, CL_COMPLETE));
  Owned<cl_event> marker;
  ASSERT_CL(clEnqueueMarkerWithWaitList(queue(), 0, nullptr, marker.out()));
  EXPECT_EQ(CL_INVALID_EVENT, clSetUserEventStatus(marker, CL_COMPLETE)) << "not a user event";
  cl_int status = CL_SUCCESS;
  clCreateUserEvent(nullptr, &status);
  EXPECT_EQ(CL_INVALID_CONTEXT, status);
  ASSERT_CL(clFinish(queue()));
}

TEST_F(UserEventTest, NothingRunsBeforeItIsSet) {
  Owned<cl_mem> buffer = NewInts({1});
  Owned<cl_command_queue> other = NewQueue();
  Owned<cl_event> gate = NewUserEvent(), filled;
  cl_event wait = gate;
  cl_int two = 2;
  ASSERT_CL(clEnqueueFillBuffer(queue(), buffer, &two, 4, 0, 4, 1, &wait, filled.out()));
  ASSERT_CL(clFlush(queue()));
  EXPECT_EQ(1, ReadInts(buffer, 1, other)[0]) << "another queue is not held up";
  EXPECT_LT(CL_COMPLETE, StatusOf(filled));
  ASSERT_CL(clSetUserEventStatus(gate, CL_COMPLETE));
  EXPECT_EQ(2, ReadInts(buffer, 1)[0]);
}

TEST_F(UserEventTest, FiftyCommandsBehindOneAllRun) {
  NEEDS_RESULTS();
  Owned<cl_mem> buffer = NewInts(std::vector<cl_int>(64, 0));
  Owned<cl_kernel> add = NewKernel("add");
  Owned<cl_event> gate = NewUserEvent();
  ASSERT_CL(SetArgs(add, buffer.get(), cl_int{1}));
  ASSERT_CL(Launch(queue(), add, 64, {gate}));
  for (int i = 1; i < 50; ++i) ASSERT_CL(Launch(queue(), add, 64));
  ASSERT_CL(clFlush(queue()));
  ASSERT_CL(clSetUserEventStatus(gate, CL_COMPLETE));
  EXPECT_EQ(std::vector<cl_int>(64, 50), ReadInts(buffer, 64));
}

TEST_F(UserEventTest, ThousandsBehindOneDoNotBlockTheEnqueue) {
  Owned<cl_mem> buffer = NewInts({0});
  Owned<cl_event> gate = NewUserEvent();
  cl_event wait = gate;
  for (cl_int i = 0; i < 4000; ++i) {
    ASSERT_CL(clEnqueueFillBuffer(queue(), buffer, &i, 4, 0, 4, i == 0 ? 1 : 0, i == 0 ? &wait : nullptr, nullptr));
  }
  ASSERT_CL(clSetUserEventStatus(gate, CL_COMPLETE));
  EXPECT_EQ(3999, ReadInts(buffer, 1)[0]);
}

TEST_F(UserEventTest, FailureFailsWhatWaits) {
  Owned<cl_mem> buffer = NewInts({1});
  Owned<cl_command_queue> any_order = NewQueue(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
  Owned<cl_event> gate = NewUserEvent(), filled, after;
  cl_event wait = gate;
  cl_int two = 2;
  ASSERT_CL(clEnqueueFillBuffer(any_order, buffer, &two, 4, 0, 4, 1, &wait, filled.out()));
  cl_event second_wait = filled;
  ASSERT_CL(clEnqueueMarkerWithWaitList(any_order, 1, &second_wait, after.out()));
  ASSERT_CL(clSetUserEventStatus(gate, -77));
  EXPECT_EQ(-77, StatusOf(gate));
  cl_event list[] = {after};
  EXPECT_EQ(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, clWaitForEvents(1, list));
  EXPECT_LT(StatusOf(filled), 0);
  EXPECT_LT(StatusOf(after), 0);
  EXPECT_EQ(1, ReadInts(buffer, 1)[0]) << "the failed command must not run";
}

TEST_F(UserEventTest, FailureReachesCallbacks) {
  KNOWN_NATIVE_DEVIATION(POCL, "never calls back for a command whose wait list failed");
  struct Call {
    Latch latch{1};
    cl_int status = 99;
  } call;
  Owned<cl_event> gate = NewUserEvent(), marker;
  cl_event wait = gate;
  ASSERT_CL(clEnqueueMarkerWithWaitList(queue(), 1, &wait, marker.out()));
  auto note = [](cl_event, cl_int status, void* data) {
    static_cast<Call*>(data)->status = status;
    static_cast<Call*>(data)->latch.CountDown();
  };
  ASSERT_CL(clSetEventCallback(marker, CL_COMPLETE, note, &call));
  ASSERT_CL(clSetUserEventStatus(gate, -5));
  ASSERT_TRUE(call.latch.Wait());
  EXPECT_LT(call.status, 0);
}

TEST_F(UserEventTest, WaitOnAFailedEventSaysSo) {
  Owned<cl_event> event = NewUserEvent();
  ASSERT_CL(clSetUserEventStatus(event, -1));
  cl_event wait = event;
  EXPECT_EQ(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, clWaitForEvents(1, &wait));
}

TEST_F(UserEventTest, BlockingReadWaitsForAnotherThread) {
  Owned<cl_mem> buffer = NewInts({1});
  Owned<cl_event> gate = NewUserEvent();
  cl_event wait = gate;
  cl_int two = 2;
  ASSERT_CL(clEnqueueFillBuffer(queue(), buffer, &two, 4, 0, 4, 1, &wait, nullptr));
  std::thread setter([&] { EXPECT_CL(clSetUserEventStatus(gate, CL_COMPLETE)); });
  EXPECT_EQ(2, ReadInts(buffer, 1)[0]);
  setter.join();
}

TEST_F(UserEventTest, FinishWaitsForAnotherThread) {
  Owned<cl_event> gate = NewUserEvent(), marker;
  cl_event wait = gate;
  ASSERT_CL(clEnqueueMarkerWithWaitList(queue(), 1, &wait, marker.out()));
  std::thread setter([&] { EXPECT_CL(clSetUserEventStatus(gate, CL_COMPLETE)); });
  EXPECT_CL(clFinish(queue()));
  EXPECT_EQ(CL_COMPLETE, StatusOf(marker));
  setter.join();
}

TEST_F(UserEventTest, CompletionFromACallbackReleasesAnotherQueue) {
  Owned<cl_command_queue> other = NewQueue();
  Owned<cl_mem> buffer = NewInts({0});
  Owned<cl_event> first = NewUserEvent(), second = NewUserEvent(), marker;
  cl_event wait_first = first, wait_second = second;
  cl_int nine = 9;
  ASSERT_CL(clEnqueueMarkerWithWaitList(queue(), 1, &wait_first, marker.out()));
  ASSERT_CL(clEnqueueFillBuffer(other, buffer, &nine, 4, 0, 4, 1, &wait_second, nullptr));
  auto release = [](cl_event, cl_int, void* data) { clSetUserEventStatus(static_cast<cl_event>(data), CL_COMPLETE); };
  ASSERT_CL(clSetEventCallback(marker, CL_COMPLETE, release, second.get()));
  ASSERT_CL(clFlush(queue()));
  ASSERT_CL(clFlush(other));
  ASSERT_CL(clSetUserEventStatus(first, CL_COMPLETE));
  EXPECT_EQ(9, ReadInts(buffer, 1, other)[0]);
}

}  // namespace
}  // namespace xpool::conformance
