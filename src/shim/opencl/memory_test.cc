#include "shim/opencl/memory.h"

#include <utility>
#include <vector>

#include "shim/opencl/test_fixture.h"

namespace xpool::cl {
namespace {

using MemoryTest = SliceTest;

TEST_F(MemoryTest, BufferIsChargedUntilReleased) {
  const uint64_t before = UsedBytes();
  cl_mem buffer = NewBuffer(1 << 20);
  EXPECT_EQ(UsedBytes(), before + (1 << 20));
  EXPECT_EQ(entry::clReleaseMemObject(buffer), CL_SUCCESS);
  EXPECT_EQ(UsedBytes(), before);
}

TEST_F(MemoryTest, PastTheQuotaFailsAndChargesNothing) {
  cl_int error = CL_SUCCESS;
  cl_mem most = NewBuffer(kTestSliceBytes / 4 * 3, &error);
  ASSERT_EQ(error, CL_SUCCESS);
  const uint64_t used = UsedBytes();
  EXPECT_EQ(NewBuffer(kTestSliceBytes / 2, &error), nullptr);
  EXPECT_EQ(error, CL_MEM_OBJECT_ALLOCATION_FAILURE);
  EXPECT_EQ(UsedBytes(), used);
  entry::clReleaseMemObject(most);
  cl_mem now = NewBuffer(kTestSliceBytes / 2, &error);
  EXPECT_EQ(error, CL_SUCCESS);
  entry::clReleaseMemObject(now);
}

TEST_F(MemoryTest, SizesNoAllocationCanHaveAreInvalid) {
  cl_int error = CL_SUCCESS;
  for (size_t size : {size_t{0}, size_t{kTestSliceBytes + 1}, ~size_t{0}}) {
    EXPECT_EQ(NewBuffer(size, &error), nullptr);
    EXPECT_EQ(error, CL_INVALID_BUFFER_SIZE) << size;
  }
  EXPECT_EQ(entry::clCreateBuffer(nullptr, 0, 16, nullptr, &error), nullptr);
  EXPECT_EQ(error, CL_INVALID_CONTEXT);
}

TEST_F(MemoryTest, RefusalByTheDriverChargesNothing) {
  const uint64_t before = UsedBytes();
  cl_int error = CL_SUCCESS;
  EXPECT_EQ(entry::clCreateBuffer(context_, CL_MEM_USE_HOST_PTR, 4096, nullptr, &error), nullptr);
  EXPECT_EQ(error, CL_INVALID_HOST_PTR);
  EXPECT_EQ(UsedBytes(), before);
}

TEST_F(MemoryTest, SubBufferSharesItsParentsMemory) {
  const uint64_t before = UsedBytes();
  cl_mem parent = NewBuffer(1 << 20);
  const cl_buffer_region region{4096, 8192};
  cl_int error = CL_INVALID_VALUE;
  cl_mem part = entry::clCreateSubBuffer(parent, CL_MEM_READ_ONLY, CL_BUFFER_CREATE_TYPE_REGION, &region, &error);
  ASSERT_EQ(error, CL_SUCCESS);
  EXPECT_EQ(UsedBytes(), before + (1 << 20));
  cl_mem associated = nullptr;
  size_t offset = 0;
  entry::clGetMemObjectInfo(part, CL_MEM_ASSOCIATED_MEMOBJECT, sizeof(associated), &associated, nullptr);
  entry::clGetMemObjectInfo(part, CL_MEM_OFFSET, sizeof(offset), &offset, nullptr);
  EXPECT_EQ(associated, parent);
  EXPECT_EQ(offset, region.origin);
  EXPECT_EQ(entry::clCreateSubBuffer(part, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &error), nullptr);
  EXPECT_EQ(error, CL_INVALID_MEM_OBJECT);

  entry::clReleaseMemObject(parent);  // the part keeps it
  EXPECT_EQ(UsedBytes(), before + (1 << 20));
  entry::clReleaseMemObject(part);
  EXPECT_EQ(UsedBytes(), before);
}

TEST_F(MemoryTest, HandlesInInfoAreTheProgramsOwn) {
  cl_mem buffer = NewBuffer(4096);
  cl_context context = nullptr;
  cl_uint references = 0;
  entry::clRetainMemObject(buffer);
  entry::clGetMemObjectInfo(buffer, CL_MEM_CONTEXT, sizeof(context), &context, nullptr);
  entry::clGetMemObjectInfo(buffer, CL_MEM_REFERENCE_COUNT, sizeof(references), &references, nullptr);
  EXPECT_EQ(context, context_);
  EXPECT_EQ(references, 2u);
  entry::clReleaseMemObject(buffer);
  entry::clReleaseMemObject(buffer);
}

TEST_F(MemoryTest, DestructorCallbacksRunInReverseWithOwnHandle) {
  static std::vector<std::pair<cl_mem, void*>> calls;
  calls.clear();
  cl_mem buffer = NewBuffer(4096);
  const auto note = +[](cl_mem which, void* data) { calls.emplace_back(which, data); };
  int first = 0, second = 0;
  EXPECT_EQ(entry::clSetMemObjectDestructorCallback(buffer, note, &first), CL_SUCCESS);
  EXPECT_EQ(entry::clSetMemObjectDestructorCallback(buffer, note, &second), CL_SUCCESS);
  EXPECT_EQ(entry::clSetMemObjectDestructorCallback(buffer, nullptr, nullptr), CL_INVALID_VALUE);
  entry::clReleaseMemObject(buffer);
  EXPECT_EQ(calls, (std::vector<std::pair<cl_mem, void*>>{{buffer, &second}, {buffer, &first}}));
}

TEST_F(MemoryTest, ImageIsChargedByWhatTheDriverTakes) {
  const uint64_t before = UsedBytes();
  const cl_image_format format{CL_RGBA, CL_UNORM_INT8};
  cl_image_desc desc{};
  desc.image_type = CL_MEM_OBJECT_IMAGE2D;
  desc.image_width = 100;
  desc.image_height = 50;
  cl_int error = CL_INVALID_VALUE;
  cl_mem image = entry::clCreateImage(context_, CL_MEM_READ_WRITE, &format, &desc, nullptr, &error);
  ASSERT_EQ(error, CL_SUCCESS);
  size_t size = 0, width = 0;
  entry::clGetMemObjectInfo(image, CL_MEM_SIZE, sizeof(size), &size, nullptr);
  entry::clGetImageInfo(image, CL_IMAGE_WIDTH, sizeof(width), &width, nullptr);
  EXPECT_GE(size, 100u * 50 * 4);
  EXPECT_EQ(width, 100u);
  EXPECT_EQ(UsedBytes(), before + size);
  entry::clReleaseMemObject(image);
  EXPECT_EQ(UsedBytes(), before);
}

TEST_F(MemoryTest, ImageOfABufferSharesItsMemory) {
  cl_mem buffer = NewBuffer(1 << 16);
  const uint64_t used = UsedBytes();
  const cl_image_format format{CL_RGBA, CL_FLOAT};
  cl_image_desc desc{};
  desc.image_type = CL_MEM_OBJECT_IMAGE1D_BUFFER;
  desc.image_width = 64;
  desc.buffer = buffer;
  cl_int error = CL_INVALID_VALUE;
  cl_mem image = entry::clCreateImage(context_, CL_MEM_READ_WRITE, &format, &desc, nullptr, &error);
  ASSERT_EQ(error, CL_SUCCESS);
  EXPECT_EQ(UsedBytes(), used);
  cl_mem source = nullptr;
  EXPECT_EQ(entry::clGetImageInfo(image, CL_IMAGE_BUFFER, sizeof(source), &source, nullptr), CL_SUCCESS);
  EXPECT_EQ(source, buffer);
  entry::clReleaseMemObject(image);
  entry::clReleaseMemObject(buffer);
}

TEST_F(MemoryTest, OverflowingImageIsRefusedBeforeTheDriver) {
  const cl_image_format format{CL_RGBA, CL_FLOAT};
  cl_image_desc desc{};
  desc.image_type = CL_MEM_OBJECT_IMAGE3D;
  desc.image_width = desc.image_height = desc.image_depth = size_t{1} << 30;
  cl_int error = CL_SUCCESS;
  EXPECT_EQ(entry::clCreateImage(context_, 0, &format, &desc, nullptr, &error), nullptr);
  EXPECT_EQ(error, CL_INVALID_IMAGE_SIZE);
  EXPECT_EQ(entry::clCreateImage(context_, 0, nullptr, &desc, nullptr, &error), nullptr);
  EXPECT_EQ(error, CL_INVALID_IMAGE_FORMAT_DESCRIPTOR);
  EXPECT_EQ(entry::clCreateImage(context_, 0, &format, nullptr, nullptr, &error), nullptr);
  EXPECT_EQ(error, CL_INVALID_IMAGE_DESCRIPTOR);
}

TEST_F(MemoryTest, SvmIsChargedAndPastTheQuotaIsNull) {
  const uint64_t before = UsedBytes();
  void* pointer = entry::clSVMAlloc(context_, CL_MEM_READ_WRITE, 1 << 20, 0);
  if (pointer == nullptr) GTEST_SKIP() << "the driver has no SVM";
  EXPECT_EQ(UsedBytes(), before + (1 << 20));
  EXPECT_EQ(entry::clSVMAlloc(context_, CL_MEM_READ_WRITE, kTestSliceBytes, 0), nullptr);
  entry::clSVMFree(context_, pointer);
  entry::clSVMFree(context_, nullptr);
  EXPECT_EQ(UsedBytes(), before);
}

TEST_F(MemoryTest, ReleasingTooOftenOrNullIsInvalid) {
  EXPECT_EQ(entry::clReleaseMemObject(nullptr), CL_INVALID_MEM_OBJECT);
  EXPECT_EQ(entry::clReleaseMemObject(reinterpret_cast<cl_mem>(context_)), CL_INVALID_MEM_OBJECT);
}

}  // namespace
}  // namespace xpool::cl
