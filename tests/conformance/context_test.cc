// Contexts: properties, queries, callbacks, reference counts, wrong arguments.
#include <algorithm>

#include "cl_test.h"

namespace xpool::conformance {
namespace {

class ContextTest : public ClTest {
 protected:
  cl_int CreateStatus(const cl_context_properties* properties, cl_uint count, const cl_device_id* devices,
                      void(CL_CALLBACK* notify)(const char*, const void*, size_t, void*) = nullptr,
                      void* data = nullptr) {
    cl_int status = CL_SUCCESS;
    Owned<cl_context> context(clCreateContext(properties, count, devices, notify, data, &status));
    EXPECT_EQ(status == CL_SUCCESS, context.get() != nullptr);
    return status;
  }
};

void CL_CALLBACK Ignore(const char*, const void*, size_t, void*) {}

TEST_F(ContextTest, PlatformPropertyIsTakenAndReported) {
  cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
                                        reinterpret_cast<cl_context_properties>(GetTarget().platform), 0};
  cl_device_id device = this->device();
  cl_int status = CL_SUCCESS;
  Owned<cl_context> context(clCreateContext(properties, 1, &device, nullptr, nullptr, &status));
  ASSERT_CL(status);
  cl_context_properties reported[3] = {};
  size_t size = 0;
  ASSERT_CL(clGetContextInfo(context, CL_CONTEXT_PROPERTIES, sizeof(reported), reported, &size));
  ASSERT_EQ(sizeof(properties), size);
  EXPECT_TRUE(std::equal(std::begin(properties), std::end(properties), reported));
}

TEST_F(ContextTest, NoPropertiesReportNone) {
  cl_context_properties reported[8] = {};
  size_t size = 77;
  ASSERT_CL(clGetContextInfo(context(), CL_CONTEXT_PROPERTIES, sizeof(reported), reported, &size));
  if (size != 0) {
    EXPECT_EQ(0, reported[0]);
  }
}

TEST_F(ContextTest, ReportsItsDevicesAndCount) {
  EXPECT_EQ(1u, Query<cl_uint>(clGetContextInfo, context(), CL_CONTEXT_NUM_DEVICES));
  EXPECT_EQ(device(), Query<cl_device_id>(clGetContextInfo, context(), CL_CONTEXT_DEVICES));
  cl_uint count = 0;
  EXPECT_EQ(CL_INVALID_VALUE, clGetContextInfo(context(), CL_CONTEXT_DEVICES, 1, &count, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, clGetContextInfo(context(), 0x7777, sizeof(count), &count, nullptr));
}

TEST_F(ContextTest, ByTypeFindsTheDevice) {
  cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
                                        reinterpret_cast<cl_context_properties>(GetTarget().platform), 0};
  cl_int status = CL_SUCCESS;
  Owned<cl_context> context(clCreateContextFromType(properties, CL_DEVICE_TYPE_ALL, nullptr, nullptr, &status));
  ASSERT_CL(status);
  EXPECT_EQ(device(), Query<cl_device_id>(clGetContextInfo, context.get(), CL_CONTEXT_DEVICES));
}

TEST_F(ContextTest, ByTypeWithoutSuchADeviceIsRefused) {
  KNOWN_DEVIATION(POCL, "returns a context with the error CL_DEVICE_NOT_FOUND");
  cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
                                        reinterpret_cast<cl_context_properties>(GetTarget().platform), 0};
  cl_int status = CL_SUCCESS;
  Owned<cl_context> none(clCreateContextFromType(properties, CL_DEVICE_TYPE_CUSTOM, nullptr, nullptr, &status));
  EXPECT_EQ(CL_DEVICE_NOT_FOUND, status);
  EXPECT_EQ(nullptr, none.get());
}

TEST_F(ContextTest, WrongArgumentsAreRefused) {
  cl_device_id device = this->device();
  cl_device_id missing = nullptr;
  int data = 0;
  cl_context_properties unknown[] = {0x7777, 1, 0};
  cl_context_properties no_platform[] = {CL_CONTEXT_PLATFORM, 0, 0};
  EXPECT_EQ(CL_INVALID_VALUE, CreateStatus(nullptr, 0, &device));
  EXPECT_EQ(CL_INVALID_VALUE, CreateStatus(nullptr, 1, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, CreateStatus(nullptr, 1, &device, nullptr, &data));
  EXPECT_EQ(CL_INVALID_DEVICE, CreateStatus(nullptr, 1, &missing));
  EXPECT_EQ(CL_INVALID_PROPERTY, CreateStatus(unknown, 1, &device));
  EXPECT_EQ(CL_INVALID_PLATFORM, CreateStatus(no_platform, 1, &device));
}

TEST_F(ContextTest, NotifyWithDataIsAccepted) {
  cl_device_id device = this->device();
  int data = 0;
  EXPECT_CL(CreateStatus(nullptr, 1, &device, Ignore, &data));
}

TEST_F(ContextTest, NullErrorPointerIsFine) {
  cl_device_id device = this->device();
  Owned<cl_context> context(clCreateContext(nullptr, 1, &device, nullptr, nullptr, nullptr));
  EXPECT_NE(nullptr, context.get());
}

TEST_F(ContextTest, RetainAndReleaseCount) {
  EXPECT_EQ(1u, Query<cl_uint>(clGetContextInfo, NewContext().get(), CL_CONTEXT_REFERENCE_COUNT));
  Owned<cl_context> context = NewContext();
  ASSERT_CL(clRetainContext(context));
  EXPECT_EQ(2u, Query<cl_uint>(clGetContextInfo, context.get(), CL_CONTEXT_REFERENCE_COUNT));
  ASSERT_CL(clReleaseContext(context));
  EXPECT_EQ(1u, Query<cl_uint>(clGetContextInfo, context.get(), CL_CONTEXT_REFERENCE_COUNT));
}

TEST_F(ContextTest, NullContextIsInvalid) {
  EXPECT_EQ(CL_INVALID_CONTEXT, clRetainContext(nullptr));
  EXPECT_EQ(CL_INVALID_CONTEXT, clReleaseContext(nullptr));
  cl_uint count = 0;
  EXPECT_EQ(CL_INVALID_CONTEXT, clGetContextInfo(nullptr, CL_CONTEXT_NUM_DEVICES, sizeof(count), &count, nullptr));
}

struct Called {
  int number;
  std::vector<int>* order;
  Latch* latch;
};

TEST_F(ContextTest, DestructorCallbacksRunInReverse) {
  KNOWN_DEVIATION(POCL, "runs a context's destructor callbacks only when its internal objects are gone");
  std::vector<int> order;
  Latch latch(2);
  Called first{1, &order, &latch}, second{2, &order, &latch};
  auto note = [](cl_context, void* data) {
    auto* called = static_cast<Called*>(data);
    called->order->push_back(called->number);
    called->latch->CountDown();
  };
  {
    Owned<cl_context> context = NewContext();
    ASSERT_CL(clSetContextDestructorCallback(context, note, &first));
    ASSERT_CL(clSetContextDestructorCallback(context, note, &second));
    EXPECT_EQ(CL_INVALID_VALUE, clSetContextDestructorCallback(context, nullptr, nullptr));
  }
  ASSERT_TRUE(latch.Wait());
  EXPECT_EQ((std::vector<int>{2, 1}), order);
}

TEST_F(ContextTest, ReleasedContextLivesWhileAQueueUsesIt) {
  Owned<cl_context> context = NewContext();
  Owned<cl_command_queue> queue = NewQueueIn(context);
  cl_context raw = context.get();
  context.Reset();
  EXPECT_EQ(raw, Query<cl_context>(clGetCommandQueueInfo, queue.get(), CL_QUEUE_CONTEXT));
  EXPECT_CL(clFinish(queue));
}

}  // namespace
}  // namespace xpool::conformance
