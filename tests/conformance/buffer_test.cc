// Buffers: flags, sub-buffers, queries, destructor callbacks, sizes out of range.
#include <array>
#include <numeric>

#include "cl_test.h"

namespace xpool::conformance {
namespace {

class BufferTest : public ClTest {
 protected:
  cl_int CreateStatus(cl_mem_flags flags, size_t size, void* host = nullptr) {
    cl_int status = CL_SUCCESS;
    Owned<cl_mem> buffer(clCreateBuffer(context(), flags, size, host, &status));
    EXPECT_EQ(status == CL_SUCCESS, buffer.get() != nullptr);
    return status;
  }
};

TEST_F(BufferTest, ReportsWhatItWasMadeWith) {
  Owned<cl_mem> buffer = NewBuffer(4096, nullptr, CL_MEM_READ_ONLY);
  EXPECT_EQ(cl_mem_object_type{CL_MEM_OBJECT_BUFFER},
            Query<cl_mem_object_type>(clGetMemObjectInfo, buffer.get(), CL_MEM_TYPE));
  EXPECT_EQ(cl_mem_flags{CL_MEM_READ_ONLY}, Query<cl_mem_flags>(clGetMemObjectInfo, buffer.get(), CL_MEM_FLAGS));
  EXPECT_EQ(4096u, Query<size_t>(clGetMemObjectInfo, buffer.get(), CL_MEM_SIZE));
  EXPECT_EQ(nullptr, Query<void*>(clGetMemObjectInfo, buffer.get(), CL_MEM_HOST_PTR));
  EXPECT_EQ(0u, Query<cl_uint>(clGetMemObjectInfo, buffer.get(), CL_MEM_MAP_COUNT));
  EXPECT_EQ(1u, Query<cl_uint>(clGetMemObjectInfo, buffer.get(), CL_MEM_REFERENCE_COUNT));
  EXPECT_EQ(context(), Query<cl_context>(clGetMemObjectInfo, buffer.get(), CL_MEM_CONTEXT));
  EXPECT_EQ(nullptr, Query<cl_mem>(clGetMemObjectInfo, buffer.get(), CL_MEM_ASSOCIATED_MEMOBJECT));
  EXPECT_EQ(0u, Query<size_t>(clGetMemObjectInfo, buffer.get(), CL_MEM_OFFSET));
}

TEST_F(BufferTest, NoFlagsMeanReadWrite) {
  Owned<cl_mem> buffer = NewBuffer(64, nullptr, 0);
  auto flags = Query<cl_mem_flags>(clGetMemObjectInfo, buffer.get(), CL_MEM_FLAGS);
  EXPECT_TRUE(flags == CL_MEM_READ_WRITE || flags == 0) << "the default, or what was given: " << flags;
}

TEST_F(BufferTest, CopyHostPointerTakesTheDataAtOnce) {
  std::vector<cl_int> values(100);
  std::iota(values.begin(), values.end(), 1);
  std::vector<cl_int> expected = values;
  Owned<cl_mem> buffer = NewInts(values);
  std::fill(values.begin(), values.end(), 0);
  EXPECT_EQ(expected, ReadInts(buffer, 100));
}

TEST_F(BufferTest, UseHostPointerReportsAndUsesIt) {
  alignas(4096) static std::array<cl_int, 1024> host;
  std::iota(host.begin(), host.end(), 0);
  cl_int status = CL_SUCCESS;
  Owned<cl_mem> buffer(
      clCreateBuffer(context(), CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, sizeof(host), host.data(), &status));
  ASSERT_CL(status);
  EXPECT_EQ(host.data(), Query<void*>(clGetMemObjectInfo, buffer.get(), CL_MEM_HOST_PTR));
  cl_int value = 99;
  ASSERT_CL(clEnqueueWriteBuffer(queue(), buffer, CL_TRUE, 8, 4, &value, 0, nullptr, nullptr));
  void* mapped =
      clEnqueueMapBuffer(queue(), buffer, CL_TRUE, CL_MAP_READ, 0, sizeof(host), 0, nullptr, nullptr, &status);
  ASSERT_CL(status);
  EXPECT_EQ(host.data(), mapped);
  EXPECT_EQ(99, host[2]);
  EXPECT_EQ(3, host[3]);
  ASSERT_CL(clEnqueueUnmapMemObject(queue(), buffer, mapped, 0, nullptr, nullptr));
  ASSERT_CL(clFinish(queue()));
}

TEST_F(BufferTest, FlagCombinations) {
  alignas(128) char host[256] = {};
  struct {
    cl_mem_flags flags;
    bool with_host;
    cl_int expected;
  } const rows[] = {
      {CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, false, CL_SUCCESS},
      {CL_MEM_WRITE_ONLY | CL_MEM_HOST_READ_ONLY, false, CL_SUCCESS},
      {CL_MEM_READ_ONLY | CL_MEM_HOST_WRITE_ONLY, false, CL_SUCCESS},
      {CL_MEM_READ_WRITE | CL_MEM_HOST_NO_ACCESS, false, CL_SUCCESS},
      {CL_MEM_ALLOC_HOST_PTR | CL_MEM_COPY_HOST_PTR, true, CL_SUCCESS},
      {CL_MEM_USE_HOST_PTR, true, CL_SUCCESS},
      {CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY, false, CL_INVALID_VALUE},
      {CL_MEM_READ_WRITE | CL_MEM_READ_ONLY, false, CL_INVALID_VALUE},
      {CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS, false, CL_INVALID_VALUE},
      {CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_WRITE_ONLY, false, CL_INVALID_VALUE},
      {CL_MEM_USE_HOST_PTR | CL_MEM_ALLOC_HOST_PTR, true, CL_INVALID_VALUE},
      {CL_MEM_USE_HOST_PTR | CL_MEM_COPY_HOST_PTR, true, CL_INVALID_VALUE},
      {cl_mem_flags{1} << 40, false, CL_INVALID_VALUE},
      {CL_MEM_USE_HOST_PTR, false, CL_INVALID_HOST_PTR},
      {CL_MEM_COPY_HOST_PTR, false, CL_INVALID_HOST_PTR},
      {CL_MEM_READ_WRITE, true, CL_INVALID_HOST_PTR},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(row.expected, CreateStatus(row.flags, sizeof(host), row.with_host ? host : nullptr))
        << "flags 0x" << std::hex << row.flags << (row.with_host ? " with" : " without") << " a host pointer";
  }
}

TEST_F(BufferTest, SizesOutOfRangeAreInvalid) {
  auto largest = Query<cl_ulong>(clGetDeviceInfo, device(), CL_DEVICE_MAX_MEM_ALLOC_SIZE);
  EXPECT_EQ(CL_INVALID_BUFFER_SIZE, CreateStatus(CL_MEM_READ_WRITE, 0));
  EXPECT_EQ(CL_INVALID_BUFFER_SIZE, CreateStatus(CL_MEM_READ_WRITE, largest + 1));
  EXPECT_EQ(CL_INVALID_BUFFER_SIZE, CreateStatus(CL_MEM_READ_WRITE, ~size_t{0}));
}

TEST_F(BufferTest, NullHandlesAreInvalid) {
  cl_int status = CL_SUCCESS;
  EXPECT_EQ(nullptr, clCreateBuffer(nullptr, 0, 16, nullptr, &status));
  EXPECT_EQ(CL_INVALID_CONTEXT, status);
  cl_uint value = 0;
  EXPECT_EQ(CL_INVALID_MEM_OBJECT, clRetainMemObject(nullptr));
  EXPECT_EQ(CL_INVALID_MEM_OBJECT, clReleaseMemObject(nullptr));
  EXPECT_EQ(CL_INVALID_MEM_OBJECT, clGetMemObjectInfo(nullptr, CL_MEM_MAP_COUNT, sizeof(value), &value, nullptr));
}

TEST_F(BufferTest, SubBufferIsAWindow) {
  size_t align = Query<cl_uint>(clGetDeviceInfo, device(), CL_DEVICE_MEM_BASE_ADDR_ALIGN) / 8;
  std::vector<cl_int> values(align);  // 4 * align bytes
  std::iota(values.begin(), values.end(), 0);
  Owned<cl_mem> parent = NewInts(values);
  cl_buffer_region region{align, align};
  cl_int status = CL_SUCCESS;
  Owned<cl_mem> window(clCreateSubBuffer(parent, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &status));
  ASSERT_CL(status);
  EXPECT_EQ(parent.get(), Query<cl_mem>(clGetMemObjectInfo, window.get(), CL_MEM_ASSOCIATED_MEMOBJECT));
  EXPECT_EQ(align, Query<size_t>(clGetMemObjectInfo, window.get(), CL_MEM_OFFSET));
  EXPECT_EQ(align, Query<size_t>(clGetMemObjectInfo, window.get(), CL_MEM_SIZE));
  cl_int value = 4711;
  ASSERT_CL(clEnqueueWriteBuffer(queue(), window, CL_TRUE, 4, 4, &value, 0, nullptr, nullptr));
  values[align / 4 + 1] = 4711;
  EXPECT_EQ(values, ReadInts(parent, values.size()));
}

TEST_F(BufferTest, SubBufferOutlivesTheHandleOfItsParent) {
  Owned<cl_mem> parent = NewInts(std::vector<cl_int>(1024, 3));
  cl_buffer_region region{0, 64};
  cl_int status = CL_SUCCESS;
  Owned<cl_mem> window(clCreateSubBuffer(parent, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &status));
  ASSERT_CL(status);
  parent.Reset();
  EXPECT_EQ(std::vector<cl_int>(16, 3), ReadInts(window, 16));
}

TEST_F(BufferTest, WrongSubBuffersAreRefused) {
  NEEDS_A_REAL_DRIVER();
  size_t align = Query<cl_uint>(clGetDeviceInfo, device(), CL_DEVICE_MEM_BASE_ADDR_ALIGN) / 8;
  Owned<cl_mem> parent = NewBuffer(4 * align, nullptr, CL_MEM_READ_ONLY);
  auto create = [&](cl_mem_flags flags, cl_buffer_create_type type, const cl_buffer_region* region) {
    cl_int status = CL_SUCCESS;
    Owned<cl_mem> window(clCreateSubBuffer(parent, flags, type, region, &status));
    return status;
  };
  cl_buffer_region good{0, align}, past{2 * align, 3 * align}, empty{0, 0}, huge{align, ~size_t{0}};
  EXPECT_CL(create(0, CL_BUFFER_CREATE_TYPE_REGION, &good));
  EXPECT_EQ(CL_INVALID_VALUE, create(0, CL_BUFFER_CREATE_TYPE_REGION, &past));
  if (!DriverDeviates(POCL)) {  // PoCL adds origin and size, which wraps around
    EXPECT_EQ(CL_INVALID_VALUE, create(0, CL_BUFFER_CREATE_TYPE_REGION, &huge));
  }
  EXPECT_EQ(CL_INVALID_BUFFER_SIZE, create(0, CL_BUFFER_CREATE_TYPE_REGION, &empty));
  EXPECT_EQ(CL_INVALID_VALUE, create(0, CL_BUFFER_CREATE_TYPE_REGION, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, create(0, 0x7777, &good));
  EXPECT_EQ(CL_INVALID_VALUE, create(CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION, &good));
  if (align > 1) {
    cl_buffer_region crooked{1, align};
    EXPECT_EQ(CL_MISALIGNED_SUB_BUFFER_OFFSET, create(0, CL_BUFFER_CREATE_TYPE_REGION, &crooked));
  }
  cl_int status = CL_SUCCESS;
  Owned<cl_mem> window(clCreateSubBuffer(parent, 0, CL_BUFFER_CREATE_TYPE_REGION, &good, &status));
  ASSERT_CL(status);
  clCreateSubBuffer(window, 0, CL_BUFFER_CREATE_TYPE_REGION, &good, &status);
  EXPECT_EQ(CL_INVALID_MEM_OBJECT, status) << "of a sub-buffer";
}

TEST_F(BufferTest, DestructorCallbacksRunInReverse) {
  struct Called {
    int number;
    std::vector<int>* order;
    Latch* latch;
  };
  std::vector<int> order;
  Latch latch(3);
  Called calls[] = {{1, &order, &latch}, {2, &order, &latch}, {3, &order, &latch}};
  auto note = [](cl_mem, void* data) {
    auto* called = static_cast<Called*>(data);
    called->order->push_back(called->number);
    called->latch->CountDown();
  };
  {
    Owned<cl_mem> buffer = NewBuffer(64);
    for (Called& call : calls) ASSERT_CL(clSetMemObjectDestructorCallback(buffer, note, &call));
    EXPECT_EQ(CL_INVALID_VALUE, clSetMemObjectDestructorCallback(buffer, nullptr, nullptr));
    EXPECT_TRUE(order.empty());
  }
  ASSERT_TRUE(latch.Wait());
  EXPECT_EQ((std::vector<int>{3, 2, 1}), order);
}

TEST_F(BufferTest, HostAccessFlagsAreHeld) {
  NEEDS_A_REAL_DRIVER();
  char data[64];
  Owned<cl_mem> unreadable = NewBuffer(64, nullptr, CL_MEM_READ_WRITE | CL_MEM_HOST_WRITE_ONLY);
  Owned<cl_mem> unwritable = NewBuffer(64, nullptr, CL_MEM_READ_WRITE | CL_MEM_HOST_READ_ONLY);
  EXPECT_EQ(CL_INVALID_OPERATION, clEnqueueReadBuffer(queue(), unreadable, CL_TRUE, 0, 64, data, 0, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_OPERATION, clEnqueueWriteBuffer(queue(), unwritable, CL_TRUE, 0, 64, data, 0, nullptr, nullptr));
  cl_int status = CL_SUCCESS;
  clEnqueueMapBuffer(queue(), unreadable, CL_TRUE, CL_MAP_READ, 0, 64, 0, nullptr, nullptr, &status);
  EXPECT_EQ(CL_INVALID_OPERATION, status);
  clEnqueueMapBuffer(queue(), unwritable, CL_TRUE, CL_MAP_WRITE, 0, 64, 0, nullptr, nullptr, &status);
  EXPECT_EQ(CL_INVALID_OPERATION, status);
}

TEST_F(BufferTest, WithPropertiesWorksAsWithout) {
  if (GetTarget().platform_version.rfind("OpenCL 3", 0) != 0) GTEST_SKIP() << GetTarget().platform_version;
  cl_int status = CL_SUCCESS;
  Owned<cl_mem> buffer(clCreateBufferWithProperties(context(), nullptr, CL_MEM_READ_WRITE, 64, nullptr, &status));
  ASSERT_CL(status);
  EXPECT_EQ(64u, Query<size_t>(clGetMemObjectInfo, buffer.get(), CL_MEM_SIZE));
  cl_mem_properties unknown[] = {0x7777, 1, 0};
  clCreateBufferWithProperties(context(), unknown, CL_MEM_READ_WRITE, 64, nullptr, &status);
  EXPECT_EQ(CL_INVALID_PROPERTY, status);
}

}  // namespace
}  // namespace xpool::conformance
