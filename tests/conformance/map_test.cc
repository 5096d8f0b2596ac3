// Mapping: every flag, overlapping maps, waiting for events, unmapping behind a user event, wrong arguments.
#include <numeric>

#include "cl_test.h"

namespace xpool::conformance {
namespace {

class MapTest : public ClTest {
 protected:
  cl_int* Map(cl_mem buffer, cl_map_flags flags, size_t offset, size_t bytes) {
    cl_int status = CL_SUCCESS;
    void* mapped = clEnqueueMapBuffer(queue(), buffer, CL_TRUE, flags, offset, bytes, 0, nullptr, nullptr, &status);
    EXPECT_EQ(CL_SUCCESS, status);
    return static_cast<cl_int*>(mapped);
  }
  cl_int Unmap(cl_mem buffer, void* mapped) {
    return clEnqueueUnmapMemObject(queue(), buffer, mapped, 0, nullptr, nullptr);
  }
};

TEST_F(MapTest, ReadSeesTheContents) {
  Owned<cl_mem> buffer = NewInts({1, 2, 3, 4});
  cl_int* mapped = Map(buffer, CL_MAP_READ, 4, 8);
  ASSERT_NE(nullptr, mapped);
  EXPECT_EQ(2, mapped[0]);
  EXPECT_EQ(3, mapped[1]);
  EXPECT_CL(Unmap(buffer, mapped));
}

TEST_F(MapTest, WritesArriveAtUnmap) {
  for (cl_mem_flags memory : {cl_mem_flags{CL_MEM_READ_WRITE}, cl_mem_flags{CL_MEM_ALLOC_HOST_PTR}}) {
    for (cl_map_flags flags : {CL_MAP_WRITE, CL_MAP_READ | CL_MAP_WRITE, CL_MAP_WRITE_INVALIDATE_REGION}) {
      std::vector<cl_int> values(64, 1);
      Owned<cl_mem> buffer = NewBuffer(256, values.data(), memory);
      cl_int* mapped = Map(buffer, flags, 16, 16);
      ASSERT_NE(nullptr, mapped);
      for (int i = 0; i < 4; ++i) mapped[i] = 10 + i, values[4 + i] = 10 + i;
      ASSERT_CL(Unmap(buffer, mapped));
      EXPECT_EQ(values, ReadInts(buffer, 64)) << "map flags " << flags;
    }
  }
}

TEST_F(MapTest, PartlyWrittenMapKeepsTheRest) {
  Owned<cl_mem> buffer = NewInts({1, 2, 3, 4});
  cl_int* mapped = Map(buffer, CL_MAP_WRITE, 0, 16);
  ASSERT_NE(nullptr, mapped);
  mapped[2] = 30;
  ASSERT_CL(Unmap(buffer, mapped));
  EXPECT_EQ((std::vector<cl_int>{1, 2, 30, 4}), ReadInts(buffer, 4));
}

TEST_F(MapTest, OverlappingReadMapsCountAndAgree) {
  std::vector<cl_int> values(64);
  std::iota(values.begin(), values.end(), 0);
  Owned<cl_mem> buffer = NewInts(values);
  cl_int* all = Map(buffer, CL_MAP_READ, 0, 256);
  cl_int* half = Map(buffer, CL_MAP_READ, 128, 128);
  cl_int* again = Map(buffer, CL_MAP_READ, 0, 256);
  EXPECT_EQ(3u, Query<cl_uint>(clGetMemObjectInfo, buffer.get(), CL_MEM_MAP_COUNT));
  EXPECT_EQ(all[40], half[8]);
  EXPECT_EQ(40, again[40]);
  EXPECT_CL(Unmap(buffer, all));
  EXPECT_CL(Unmap(buffer, half));
  EXPECT_CL(Unmap(buffer, again));
  ASSERT_CL(clFinish(queue()));
  EXPECT_EQ(0u, Query<cl_uint>(clGetMemObjectInfo, buffer.get(), CL_MEM_MAP_COUNT));
}

TEST_F(MapTest, DisjointWriteMapsBothArrive) {
  Owned<cl_mem> buffer = NewInts(std::vector<cl_int>(64, 0));
  cl_int* low = Map(buffer, CL_MAP_WRITE, 0, 128);
  cl_int* high = Map(buffer, CL_MAP_WRITE, 128, 128);
  std::fill(low, low + 32, 1);
  std::fill(high, high + 32, 2);
  ASSERT_CL(Unmap(buffer, high));
  ASSERT_CL(Unmap(buffer, low));
  std::vector<cl_int> expected(64, 1);
  std::fill(expected.begin() + 32, expected.end(), 2);
  EXPECT_EQ(expected, ReadInts(buffer, 64));
}

TEST_F(MapTest, UnblockedMapIsValidWhenItsEventIs) {
  Owned<cl_mem> buffer = NewInts(std::vector<cl_int>(256, 9));
  Owned<cl_event> event;
  cl_int status = CL_SUCCESS;
  auto* mapped = static_cast<cl_int*>(
      clEnqueueMapBuffer(queue(), buffer, CL_FALSE, CL_MAP_READ, 0, 1024, 0, nullptr, event.out(), &status));
  ASSERT_CL(status);
  ASSERT_NE(nullptr, mapped);
  cl_event wait = event;
  ASSERT_CL(clWaitForEvents(1, &wait));
  EXPECT_EQ(9, mapped[255]);
  EXPECT_EQ(cl_command_type{CL_COMMAND_MAP_BUFFER},
            Query<cl_command_type>(clGetEventInfo, event.get(), CL_EVENT_COMMAND_TYPE));
  EXPECT_CL(Unmap(buffer, mapped));
}

TEST_F(MapTest, MapBehindAUserEventSeesWhatCameBefore) {
  Owned<cl_mem> buffer = NewInts(std::vector<cl_int>(16, 1));
  Owned<cl_event> gate = NewUserEvent(), mapped_event;
  cl_event wait = gate;
  cl_int two = 2, status = CL_SUCCESS;
  ASSERT_CL(clEnqueueFillBuffer(queue(), buffer, &two, 4, 0, 64, 1, &wait, nullptr));
  auto* mapped = static_cast<cl_int*>(clEnqueueMapBuffer(queue(), buffer, CL_FALSE, CL_MAP_READ | CL_MAP_WRITE, 0, 64,
                                                         0, nullptr, mapped_event.out(), &status));
  ASSERT_CL(status);
  ASSERT_NE(nullptr, mapped);
  ASSERT_CL(clSetUserEventStatus(gate, CL_COMPLETE));
  cl_event done = mapped_event;
  ASSERT_CL(clWaitForEvents(1, &done));
  EXPECT_EQ(2, mapped[15]);
  mapped[0] = 33;
  ASSERT_CL(Unmap(buffer, mapped));
  EXPECT_EQ(33, ReadInts(buffer, 16)[0]);
}

TEST_F(MapTest, UnmapBehindAUserEventArrivesAfterIt) {
  Owned<cl_mem> buffer = NewInts(std::vector<cl_int>(4, 1));
  Owned<cl_event> gate = NewUserEvent();
  cl_int* mapped = Map(buffer, CL_MAP_WRITE_INVALIDATE_REGION, 0, 16);
  std::fill(mapped, mapped + 4, 8);
  cl_event wait = gate;
  Owned<cl_event> unmapped;
  ASSERT_CL(clEnqueueUnmapMemObject(queue(), buffer, mapped, 1, &wait, unmapped.out()));
  EXPECT_LT(CL_COMPLETE, StatusOf(unmapped));
  ASSERT_CL(clSetUserEventStatus(gate, CL_COMPLETE));
  EXPECT_EQ(std::vector<cl_int>(4, 8), ReadInts(buffer, 4));
}

TEST_F(MapTest, KernelsSeeMappedWrites) {
  NEEDS_RESULTS();
  Owned<cl_mem> buffer = NewInts(std::vector<cl_int>(16, 0));
  cl_int* mapped = Map(buffer, CL_MAP_WRITE, 0, 64);
  std::fill(mapped, mapped + 16, 5);
  ASSERT_CL(Unmap(buffer, mapped));
  Owned<cl_kernel> add = NewKernel("add");
  ASSERT_CL(SetArgs(add, buffer.get(), cl_int{3}));
  ASSERT_CL(Launch(queue(), add, 16));
  mapped = Map(buffer, CL_MAP_READ, 0, 64);
  EXPECT_EQ(std::vector<cl_int>(16, 8), std::vector<cl_int>(mapped, mapped + 16));
  EXPECT_CL(Unmap(buffer, mapped));
}

TEST_F(MapTest, WrongMapsAreRefused) {
  NEEDS_A_REAL_DRIVER();
  Owned<cl_mem> buffer = NewBuffer(64);
  auto map = [&](cl_mem memory, cl_map_flags flags, size_t offset, size_t bytes) {
    cl_int status = CL_SUCCESS;
    void* mapped = clEnqueueMapBuffer(queue(), memory, CL_TRUE, flags, offset, bytes, 0, nullptr, nullptr, &status);
    EXPECT_EQ(status == CL_SUCCESS, mapped != nullptr);
    return status;
  };
  EXPECT_EQ(CL_INVALID_VALUE, map(buffer, CL_MAP_READ, 0, 65));
  EXPECT_EQ(CL_INVALID_VALUE, map(buffer, CL_MAP_READ, 0, 0));
  EXPECT_EQ(CL_INVALID_VALUE, map(buffer, CL_MAP_READ, ~size_t{0}, 2));
  if (!DriverDeviates(POCL)) {  // PoCL does not look at the flags
    EXPECT_EQ(CL_INVALID_VALUE, map(buffer, 0x7000, 0, 64));
    EXPECT_EQ(CL_INVALID_VALUE, map(buffer, CL_MAP_READ | CL_MAP_WRITE_INVALIDATE_REGION, 0, 64));
  }
  EXPECT_EQ(CL_INVALID_MEM_OBJECT, map(nullptr, CL_MAP_READ, 0, 64));
  cl_int status = CL_SUCCESS;
  clEnqueueMapBuffer(nullptr, buffer, CL_TRUE, CL_MAP_READ, 0, 64, 0, nullptr, nullptr, &status);
  EXPECT_EQ(CL_INVALID_COMMAND_QUEUE, status);
}

TEST_F(MapTest, UnmapOfAPointerNeverMappedIsInvalid) {
  Owned<cl_mem> buffer = NewBuffer(64);
  char elsewhere[64];
  EXPECT_EQ(CL_INVALID_VALUE, Unmap(buffer, elsewhere));
  EXPECT_EQ(CL_INVALID_VALUE, Unmap(buffer, nullptr));
  EXPECT_EQ(CL_INVALID_MEM_OBJECT, Unmap(nullptr, elsewhere));
}

TEST_F(MapTest, ReleasedWhileMappedStaysUsableUntilUnmapped) {
  cl_mem raw = NewInts(std::vector<cl_int>(16, 4)).Give();
  cl_int* mapped = Map(raw, CL_MAP_READ, 0, 64);
  ASSERT_NE(nullptr, mapped);
  ASSERT_CL(clRetainMemObject(raw));
  ASSERT_CL(clReleaseMemObject(raw));
  EXPECT_EQ(4, mapped[15]);
  ASSERT_CL(Unmap(raw, mapped));
  ASSERT_CL(clReleaseMemObject(raw));
  EXPECT_CL(clFinish(queue()));
}

TEST_F(MapTest, MapThatNobodyWaitedForChangesNothing) {
  NEEDS_A_REAL_DRIVER();
  for (int round = 0; round < 20; ++round) {
    Owned<cl_mem> buffer = NewInts(std::vector<cl_int>(1024, 6));
    cl_int status = CL_SUCCESS;
    void* data = clEnqueueMapBuffer(queue(), buffer, CL_FALSE, CL_MAP_WRITE, 0, 4096, 0, nullptr, nullptr, &status);
    ASSERT_CL(status);
    ASSERT_CL(clEnqueueUnmapMemObject(queue(), buffer, data, 0, nullptr, nullptr));
    ASSERT_EQ(std::vector<cl_int>(1024, 6), ReadInts(buffer, 1024));
  }
}

}  // namespace
}  // namespace xpool::conformance
