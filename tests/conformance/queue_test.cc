// Command queues: kinds, properties, queries, order of execution, sub-devices, wrong arguments.
#include "cl_test.h"

namespace xpool::conformance {
namespace {

class QueueTest : public ClTest {};

TEST_F(QueueTest, ReportsContextDeviceAndProperties) {
  Owned<cl_command_queue> queue = NewQueue(CL_QUEUE_PROFILING_ENABLE | CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
  EXPECT_EQ(context(), Query<cl_context>(clGetCommandQueueInfo, queue.get(), CL_QUEUE_CONTEXT));
  EXPECT_EQ(device(), Query<cl_device_id>(clGetCommandQueueInfo, queue.get(), CL_QUEUE_DEVICE));
  EXPECT_EQ(1u, Query<cl_uint>(clGetCommandQueueInfo, queue.get(), CL_QUEUE_REFERENCE_COUNT));
  EXPECT_EQ(cl_command_queue_properties{CL_QUEUE_PROFILING_ENABLE | CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE},
            Query<cl_command_queue_properties>(clGetCommandQueueInfo, queue.get(), CL_QUEUE_PROPERTIES));
}

TEST_F(QueueTest, WithPropertiesReportsThem) {
  cl_queue_properties properties[] = {CL_QUEUE_PROPERTIES, CL_QUEUE_PROFILING_ENABLE, 0};
  cl_int status = CL_SUCCESS;
  Owned<cl_command_queue> queue(clCreateCommandQueueWithProperties(context(), device(), properties, &status));
  ASSERT_CL(status);
  EXPECT_EQ(cl_command_queue_properties{CL_QUEUE_PROFILING_ENABLE},
            Query<cl_command_queue_properties>(clGetCommandQueueInfo, queue.get(), CL_QUEUE_PROPERTIES));
}

TEST_F(QueueTest, PropertiesArrayIsReported) {
  KNOWN_DEVIATION(POCL, "has no CL_QUEUE_PROPERTIES_ARRAY");
  cl_queue_properties properties[] = {CL_QUEUE_PROPERTIES, CL_QUEUE_PROFILING_ENABLE, 0};
  cl_int status = CL_SUCCESS;
  Owned<cl_command_queue> queue(clCreateCommandQueueWithProperties(context(), device(), properties, &status));
  ASSERT_CL(status);
  cl_queue_properties reported[4] = {};
  size_t size = 0;
  ASSERT_CL(clGetCommandQueueInfo(queue, CL_QUEUE_PROPERTIES_ARRAY, sizeof(reported), reported, &size));
  ASSERT_EQ(sizeof(properties), size);
  EXPECT_EQ(0, memcmp(properties, reported, size));
}

TEST_F(QueueTest, WrongArgumentsAreRefused) {
  cl_int status = CL_SUCCESS;
  clCreateCommandQueue(nullptr, device(), 0, &status);
  EXPECT_EQ(CL_INVALID_CONTEXT, status);
  clCreateCommandQueue(context(), nullptr, 0, &status);
  EXPECT_EQ(CL_INVALID_DEVICE, status);
  clCreateCommandQueue(context(), device(), cl_command_queue_properties{1} << 40, &status);
  EXPECT_EQ(CL_INVALID_VALUE, status);
  cl_queue_properties unknown[] = {0x7777, 1, 0};
  clCreateCommandQueueWithProperties(context(), device(), unknown, &status);
  EXPECT_EQ(CL_INVALID_VALUE, status);
  cl_uint value = 0;
  EXPECT_EQ(CL_INVALID_VALUE, clGetCommandQueueInfo(queue(), 0x7777, sizeof(value), &value, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, clGetCommandQueueInfo(queue(), CL_QUEUE_CONTEXT, 1, &value, nullptr));
}

TEST_F(QueueTest, NullQueueIsInvalidEverywhere) {
  cl_uint value = 0;
  EXPECT_EQ(CL_INVALID_COMMAND_QUEUE, clFlush(nullptr));
  EXPECT_EQ(CL_INVALID_COMMAND_QUEUE, clFinish(nullptr));
  EXPECT_EQ(CL_INVALID_COMMAND_QUEUE, clRetainCommandQueue(nullptr));
  EXPECT_EQ(CL_INVALID_COMMAND_QUEUE, clReleaseCommandQueue(nullptr));
  EXPECT_EQ(CL_INVALID_COMMAND_QUEUE,
            clGetCommandQueueInfo(nullptr, CL_QUEUE_REFERENCE_COUNT, sizeof(value), &value, nullptr));
}

TEST_F(QueueTest, InOrderRunsInOrder) {
  NEEDS_RESULTS();
  Owned<cl_mem> order = NewBuffer(64 * sizeof(cl_int));
  Owned<cl_mem> next = NewInts({0});
  Owned<cl_kernel> append = NewKernel("append");
  std::vector<cl_int> expected;
  for (cl_int i = 0; i < 64; ++i) {
    ASSERT_CL(SetArgs(append, order.get(), next.get(), i));
    ASSERT_CL(Launch(queue(), append, 1));
    expected.push_back(i);
  }
  EXPECT_EQ(expected, ReadInts(order, 64));
}

TEST_F(QueueTest, ManyQueuesShareOneContext) {
  std::vector<Owned<cl_command_queue>> queues;
  Owned<cl_mem> buffer = NewInts(std::vector<cl_int>(16, 5));
  for (int i = 0; i < 32; ++i) queues.push_back(NewQueue(i % 2 == 0 ? 0 : CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE));
  for (auto& queue : queues) EXPECT_EQ(std::vector<cl_int>(16, 5), ReadInts(buffer, 16, queue));
}

TEST_F(QueueTest, FlushAndFinishOfAnEmptyQueueSucceed) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_CL(clFlush(queue()));
    EXPECT_CL(clFinish(queue()));
  }
}

TEST_F(QueueTest, FinishMeansAllIsDone) {
  NEEDS_RESULTS();
  Owned<cl_kernel> spin = NewKernel("spin");
  Owned<cl_mem> buffer = NewBuffer(1024);
  ASSERT_CL(SetArgs(spin, buffer.get(), cl_uint{20000}));
  std::vector<Owned<cl_event>> events(20);
  for (auto& event : events) ASSERT_CL(Launch(queue(), spin, 256, {}, event.out()));
  ASSERT_CL(clFinish(queue()));
  for (auto& event : events) EXPECT_EQ(CL_COMPLETE, StatusOf(event));
}

class SubDeviceTest : public ClTest {};

TEST_F(SubDeviceTest, EqualPartsComputeAndKnowTheirParent) {
  auto units = Query<cl_uint>(clGetDeviceInfo, device(), CL_DEVICE_MAX_COMPUTE_UNITS);
  auto most = Query<cl_uint>(clGetDeviceInfo, device(), CL_DEVICE_PARTITION_MAX_SUB_DEVICES);
  if (units < 2 || most < 2) GTEST_SKIP() << "the device cannot be partitioned";
  cl_device_partition_property equally[] = {CL_DEVICE_PARTITION_EQUALLY, 1, 0};
  cl_uint count = 0;
  ASSERT_CL(clCreateSubDevices(device(), equally, 0, nullptr, &count));
  ASSERT_EQ(units, count);
  std::vector<cl_device_id> parts(count);
  ASSERT_CL(clCreateSubDevices(device(), equally, count, parts.data(), nullptr));
  for (cl_device_id part : parts) {
    EXPECT_EQ(device(), Query<cl_device_id>(clGetDeviceInfo, part, CL_DEVICE_PARENT_DEVICE));
    EXPECT_EQ(1u, Query<cl_uint>(clGetDeviceInfo, part, CL_DEVICE_MAX_COMPUTE_UNITS));
    EXPECT_EQ(1u, Query<cl_uint>(clGetDeviceInfo, part, CL_DEVICE_REFERENCE_COUNT));
    cl_int status = CL_SUCCESS;
    Owned<cl_context> context(clCreateContext(nullptr, 1, &part, nullptr, nullptr, &status));
    ASSERT_CL(status);
    Owned<cl_command_queue> queue(clCreateCommandQueue(context, part, 0, &status));
    ASSERT_CL(status);
    cl_int seven = 7, got = 0;
    Owned<cl_mem> buffer(clCreateBuffer(context, CL_MEM_COPY_HOST_PTR, sizeof(seven), &seven, &status));
    ASSERT_CL(status);
    ASSERT_CL(clEnqueueReadBuffer(queue, buffer, CL_TRUE, 0, sizeof(got), &got, 0, nullptr, nullptr));
    EXPECT_EQ(7, got);
  }
  for (cl_device_id part : parts) {
    ASSERT_CL(clRetainDevice(part));
    EXPECT_EQ(2u, Query<cl_uint>(clGetDeviceInfo, part, CL_DEVICE_REFERENCE_COUNT));
    ASSERT_CL(clReleaseDevice(part));
    EXPECT_CL(clReleaseDevice(part));
  }
}

TEST_F(SubDeviceTest, WrongPartitionsAreRefused) {
  if (Query<cl_uint>(clGetDeviceInfo, device(), CL_DEVICE_PARTITION_MAX_SUB_DEVICES) < 2) {
    GTEST_SKIP() << "the device cannot be partitioned";
  }
  cl_uint count = 0;
  cl_device_partition_property unknown[] = {0x7777, 1, 0};
  EXPECT_EQ(CL_INVALID_VALUE, clCreateSubDevices(device(), unknown, 0, nullptr, &count));
  EXPECT_EQ(CL_INVALID_VALUE, clCreateSubDevices(device(), nullptr, 0, nullptr, &count));
  cl_device_partition_property equally[] = {CL_DEVICE_PARTITION_EQUALLY, 1, 0};
  EXPECT_EQ(CL_INVALID_DEVICE, clCreateSubDevices(nullptr, equally, 0, nullptr, &count));
}

}  // namespace
}  // namespace xpool::conformance
