// Moving bytes: read, write, copy, fill, the rectangular kinds, and their wrong arguments.
#include <array>
#include <numeric>

#include "cl_test.h"

namespace xpool::conformance {
namespace {

class TransferTest : public ClTest {
 protected:
  static std::vector<cl_int> Count(size_t count) {
    std::vector<cl_int> values(count);
    std::iota(values.begin(), values.end(), 0);
    return values;
  }
};

TEST_F(TransferTest, WriteThenReadAtOffsets) {
  Owned<cl_mem> buffer = NewInts(std::vector<cl_int>(64, 0));
  std::vector<cl_int> expected(64, 0);
  std::vector<cl_int> piece = {5, 6, 7};
  ASSERT_CL(clEnqueueWriteBuffer(queue(), buffer, CL_TRUE, 40, 12, piece.data(), 0, nullptr, nullptr));
  std::copy(piece.begin(), piece.end(), expected.begin() + 10);
  EXPECT_EQ(expected, ReadInts(buffer, 64));
  cl_int one = 0;
  ASSERT_CL(clEnqueueReadBuffer(queue(), buffer, CL_TRUE, 44, 4, &one, 0, nullptr, nullptr));
  EXPECT_EQ(6, one);
}

TEST_F(TransferTest, UnblockedTransfersAreDoneWhenTheirEventIs) {
  Owned<cl_mem> buffer = NewBuffer(4096 * 4);
  std::vector<cl_int> values = Count(4096), back(4096, -1);
  Owned<cl_event> written, read;
  ASSERT_CL(clEnqueueWriteBuffer(queue(), buffer, CL_FALSE, 0, 16384, values.data(), 0, nullptr, written.out()));
  cl_event wait = written;
  ASSERT_CL(clEnqueueReadBuffer(queue(), buffer, CL_FALSE, 0, 16384, back.data(), 1, &wait, read.out()));
  cl_event last = read;
  ASSERT_CL(clWaitForEvents(1, &last));
  EXPECT_EQ(values, back);
  EXPECT_EQ(cl_command_type{CL_COMMAND_READ_BUFFER},
            Query<cl_command_type>(clGetEventInfo, read.get(), CL_EVENT_COMMAND_TYPE));
}

// More than the program, or who runs its commands for it, could hold at once.
TEST_F(TransferTest, ManyLargeTransfersMayBeUnderWay) {
  constexpr size_t kBytes = 128 << 20;
  constexpr int kTimes = 40;
  Owned<cl_mem> buffer = NewBuffer(kBytes);
  std::vector<char> values(kBytes, 0), back(kBytes, 0);
  values.back() = 7;
  for (int i = 0; i < kTimes; ++i)
    ASSERT_CL(clEnqueueWriteBuffer(queue(), buffer, CL_FALSE, 0, kBytes, values.data(), 0, nullptr, nullptr));
  ASSERT_CL(clFinish(queue()));
  for (int i = 0; i < kTimes; ++i)
    ASSERT_CL(clEnqueueReadBuffer(queue(), buffer, CL_FALSE, 0, kBytes, back.data(), 0, nullptr, nullptr));
  ASSERT_CL(clFinish(queue()));
  EXPECT_EQ(values, back);
}

TEST_F(TransferTest, CopyMovesBetweenBuffers) {
  Owned<cl_mem> from = NewInts(Count(256));
  Owned<cl_mem> to = NewInts(std::vector<cl_int>(256, 0));
  ASSERT_CL(clEnqueueCopyBuffer(queue(), from, to, 40, 80, 400, 0, nullptr, nullptr));
  std::vector<cl_int> expected(256, 0);
  std::iota(expected.begin() + 20, expected.begin() + 120, 10);
  EXPECT_EQ(expected, ReadInts(to, 256));
}

TEST_F(TransferTest, CopyInsideOneBufferMustNotOverlap) {
  Owned<cl_mem> buffer = NewInts(Count(256));
  EXPECT_EQ(CL_MEM_COPY_OVERLAP, clEnqueueCopyBuffer(queue(), buffer, buffer, 0, 16, 64, 0, nullptr, nullptr));
  EXPECT_CL(clEnqueueCopyBuffer(queue(), buffer, buffer, 0, 64, 64, 0, nullptr, nullptr));
  EXPECT_EQ(5, ReadInts(buffer, 256)[21]);
}

TEST_F(TransferTest, FillRepeatsEveryPatternSize) {
  for (size_t size : {1, 2, 4, 8, 16, 32, 64, 128}) {
    std::vector<unsigned char> pattern(size), bytes(1024, 0);
    std::iota(pattern.begin(), pattern.end(), static_cast<unsigned char>(1));
    Owned<cl_mem> buffer = NewBuffer(1024, bytes.data());
    ASSERT_CL(clEnqueueFillBuffer(queue(), buffer, pattern.data(), size, 256, 512, 0, nullptr, nullptr));
    for (size_t i = 256; i < 768; ++i) bytes[i] = pattern[i % size];
    std::vector<unsigned char> back(1024);
    ASSERT_CL(clEnqueueReadBuffer(queue(), buffer, CL_TRUE, 0, 1024, back.data(), 0, nullptr, nullptr));
    EXPECT_EQ(bytes, back) << "pattern of " << size;
  }
}

TEST_F(TransferTest, FillTakesThePatternAtOnce) {
  Owned<cl_mem> buffer = NewInts(std::vector<cl_int>(16, 0));
  Owned<cl_event> gate = NewUserEvent();
  cl_event wait = gate;
  cl_int pattern = 11;
  ASSERT_CL(clEnqueueFillBuffer(queue(), buffer, &pattern, 4, 0, 64, 1, &wait, nullptr));
  pattern = 12;
  ASSERT_CL(clSetUserEventStatus(gate, CL_COMPLETE));
  EXPECT_EQ(std::vector<cl_int>(16, 11), ReadInts(buffer, 16));
}

TEST_F(TransferTest, WrongFillsAreRefused) {
  Owned<cl_mem> buffer = NewBuffer(1024);
  char pattern[128] = {};
  EXPECT_EQ(CL_INVALID_VALUE, clEnqueueFillBuffer(queue(), buffer, nullptr, 4, 0, 64, 0, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, clEnqueueFillBuffer(queue(), buffer, pattern, 0, 0, 64, 0, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, clEnqueueFillBuffer(queue(), buffer, pattern, 3, 0, 63, 0, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, clEnqueueFillBuffer(queue(), buffer, pattern, 4, 2, 64, 0, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, clEnqueueFillBuffer(queue(), buffer, pattern, 4, 0, 62, 0, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, clEnqueueFillBuffer(queue(), buffer, pattern, 4, 1000, 64, 0, nullptr, nullptr));
}

TEST_F(TransferTest, WrongReadsAndWritesAreRefused) {
  Owned<cl_mem> buffer = NewBuffer(64);
  char data[128];
  cl_command_queue q = queue();
  EXPECT_EQ(CL_INVALID_VALUE, clEnqueueReadBuffer(q, buffer, CL_TRUE, 0, 65, data, 0, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, clEnqueueReadBuffer(q, buffer, CL_TRUE, 32, 33, data, 0, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, clEnqueueReadBuffer(q, buffer, CL_TRUE, ~size_t{0}, 2, data, 0, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, clEnqueueReadBuffer(q, buffer, CL_TRUE, 0, 64, nullptr, 0, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_MEM_OBJECT, clEnqueueReadBuffer(q, nullptr, CL_TRUE, 0, 64, data, 0, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_COMMAND_QUEUE, clEnqueueReadBuffer(nullptr, buffer, CL_TRUE, 0, 64, data, 0, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, clEnqueueWriteBuffer(q, buffer, CL_TRUE, 64, 1, data, 0, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, clEnqueueWriteBuffer(q, buffer, CL_TRUE, 0, 64, nullptr, 0, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, clEnqueueCopyBuffer(q, buffer, buffer, 0, 32, 33, 0, nullptr, nullptr));
}

TEST_F(TransferTest, WrongWaitListsAreRefused) {
  Owned<cl_mem> buffer = NewBuffer(64);
  char data[64];
  cl_event none = nullptr;
  Owned<cl_event> event = NewUserEvent();
  cl_event list = event;
  cl_command_queue q = queue();
  EXPECT_EQ(CL_INVALID_EVENT_WAIT_LIST, clEnqueueReadBuffer(q, buffer, CL_TRUE, 0, 64, data, 1, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_EVENT_WAIT_LIST, clEnqueueReadBuffer(q, buffer, CL_TRUE, 0, 64, data, 0, &list, nullptr));
  EXPECT_EQ(CL_INVALID_EVENT_WAIT_LIST, clEnqueueReadBuffer(q, buffer, CL_TRUE, 0, 64, data, 1, &none, nullptr));
  ASSERT_CL(clSetUserEventStatus(event, CL_COMPLETE));
}

class RectTest : public ClTest {
 protected:
  // A box of 4 x 4 x 4 ints whose value is its index, and one of zeros.
  void SetUp() override {
    ClTest::SetUp();
    std::vector<cl_int> values(64);
    std::iota(values.begin(), values.end(), 0);
    box_ = NewInts(values);
    zeros_ = NewInts(std::vector<cl_int>(64, 0));
  }
  Owned<cl_mem> box_, zeros_;
  // x is in bytes: two ints wide, two rows, two planes.
  const std::array<size_t, 3> region_ = {8, 2, 2};
};

TEST_F(RectTest, ReadTakesABoxOutOfABox) {
  std::array<size_t, 3> from = {4, 1, 1}, to = {0, 0, 0};
  std::array<cl_int, 8> out{};
  ASSERT_CL(clEnqueueReadBufferRect(queue(), box_, CL_TRUE, from.data(), to.data(), region_.data(), 16, 64, 8, 16,
                                    out.data(), 0, nullptr, nullptr));
  EXPECT_EQ((std::array<cl_int, 8>{21, 22, 25, 26, 37, 38, 41, 42}), out);
}

TEST_F(RectTest, WritePutsABoxIntoABox) {
  std::array<size_t, 3> at = {8, 2, 0}, from = {0, 0, 0};
  std::array<cl_int, 8> in = {1, 2, 3, 4, 5, 6, 7, 8};
  ASSERT_CL(clEnqueueWriteBufferRect(queue(), zeros_, CL_TRUE, at.data(), from.data(), region_.data(), 16, 64, 0, 0,
                                     in.data(), 0, nullptr, nullptr));
  std::vector<cl_int> expected(64, 0);
  expected[10] = 1, expected[11] = 2, expected[14] = 3, expected[15] = 4;
  expected[26] = 5, expected[27] = 6, expected[30] = 7, expected[31] = 8;
  EXPECT_EQ(expected, ReadInts(zeros_, 64));
}

TEST_F(RectTest, CopyMovesABox) {
  std::array<size_t, 3> from = {0, 0, 0}, to = {8, 2, 2};
  ASSERT_CL(clEnqueueCopyBufferRect(queue(), box_, zeros_, from.data(), to.data(), region_.data(), 16, 64, 16, 64, 0,
                                    nullptr, nullptr));
  std::vector<cl_int> expected(64, 0);
  expected[42] = 0, expected[43] = 1, expected[46] = 4, expected[47] = 5;
  expected[58] = 16, expected[59] = 17, expected[62] = 20, expected[63] = 21;
  EXPECT_EQ(expected, ReadInts(zeros_, 64));
}

TEST_F(RectTest, WrongBoxesAreRefused) {
  std::array<size_t, 3> origin = {0, 0, 0}, past = {12, 3, 3}, flat = {8, 0, 2};
  std::array<cl_int, 64> out{};
  auto read = [&](const std::array<size_t, 3>& from, const std::array<size_t, 3>& region, size_t row, size_t slice,
                  void* data) {
    return clEnqueueReadBufferRect(queue(), box_, CL_TRUE, from.data(), origin.data(), region.data(), row, slice, 0, 0,
                                   data, 0, nullptr, nullptr);
  };
  EXPECT_CL(read(origin, region_, 16, 64, out.data()));
  EXPECT_EQ(CL_INVALID_VALUE, read(past, region_, 16, 64, out.data()));
  EXPECT_EQ(CL_INVALID_VALUE, read(origin, flat, 16, 64, out.data()));
  EXPECT_EQ(CL_INVALID_VALUE, read(origin, region_, 4, 64, out.data())) << "row pitch below the row";
  EXPECT_EQ(CL_INVALID_VALUE, read(origin, region_, 16, 20, out.data())) << "slice pitch not of whole rows";
  EXPECT_EQ(CL_INVALID_VALUE, read(origin, region_, 16, 64, nullptr));
}

TEST_F(TransferTest, MigrationIsAccepted) {
  Owned<cl_mem> buffer = NewInts(Count(16));
  cl_mem list = buffer;
  Owned<cl_event> event;
  ASSERT_CL(clEnqueueMigrateMemObjects(queue(), 1, &list, CL_MIGRATE_MEM_OBJECT_HOST, 0, nullptr, event.out()));
  cl_event wait = event;
  ASSERT_CL(clWaitForEvents(1, &wait));
  EXPECT_EQ(Count(16), ReadInts(buffer, 16));
  EXPECT_EQ(CL_INVALID_VALUE, clEnqueueMigrateMemObjects(queue(), 0, &list, 0, 0, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, clEnqueueMigrateMemObjects(queue(), 1, nullptr, 0, 0, nullptr, nullptr));
}

}  // namespace
}  // namespace xpool::conformance
