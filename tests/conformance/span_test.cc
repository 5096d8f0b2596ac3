// One context over several devices of the platform, which may be slices of several nodes: what one device has written
// is there for the other, and events of one are waited for by the other. Skipped where the platform has one device.
#include <array>
#include <numeric>

#include "cl_test.h"

namespace xpool::conformance {
namespace {

class SpanTest : public ClTest {
 protected:
  static constexpr size_t kCount = 300'000;  // more than one step of anything

  void SetUp() override {
    cl_uint found = 0;
    ASSERT_CL(clGetDeviceIDs(GetTarget().platform, CL_DEVICE_TYPE_ALL, 2, devices_.data(), &found));
    if (found < 2) GTEST_SKIP() << "the platform has one device";
    cl_int status = CL_SUCCESS;
    span_ = Owned<cl_context>(clCreateContext(nullptr, 2, devices_.data(), nullptr, nullptr, &status));
    ASSERT_CL(status);
    for (size_t i = 0; i < 2; ++i) queues_[i] = NewSpanQueue(i, 0);
    program_ =
        Owned<cl_program>(clCreateProgramWithSource(span_, 1, const_cast<const char**>(&kKernels), nullptr, &status));
    ASSERT_CL(status);
    ASSERT_CL(clBuildProgram(program_, 0, nullptr, "", nullptr, nullptr));
  }

  cl_command_queue queue(size_t index) const { return queues_[index]; }
  Owned<cl_command_queue> NewSpanQueue(size_t index, cl_command_queue_properties properties) const {
    cl_int status = CL_SUCCESS;
    Owned<cl_command_queue> queue(clCreateCommandQueue(span_, devices_[index], properties, &status));
    EXPECT_CL(status);
    return queue;
  }
  Owned<cl_mem> Ints(const std::vector<cl_int>& values) const {
    cl_int status = CL_SUCCESS;
    Owned<cl_mem> made(clCreateBuffer(span_, CL_MEM_COPY_HOST_PTR, values.size() * sizeof(cl_int),
                                      const_cast<cl_int*>(values.data()), &status));
    EXPECT_CL(status);
    return made;
  }
  Owned<cl_mem> Part(cl_mem whole, size_t first, size_t count) const {
    const cl_buffer_region region{first * sizeof(cl_int), count * sizeof(cl_int)};
    cl_int status = CL_SUCCESS;
    Owned<cl_mem> made(clCreateSubBuffer(whole, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &status));
    EXPECT_CL(status);
    return made;
  }
  // From a binary of |program_| for one device alone.
  Owned<cl_program> ProgramOf(size_t index) const {
    std::array<size_t, 2> sizes{};
    EXPECT_CL(clGetProgramInfo(program_, CL_PROGRAM_BINARY_SIZES, sizeof(sizes), sizes.data(), nullptr));
    std::vector<unsigned char> binaries[2] = {std::vector<unsigned char>(sizes[0]),
                                              std::vector<unsigned char>(sizes[1])};
    std::array<unsigned char*, 2> places = {binaries[0].data(), binaries[1].data()};
    EXPECT_CL(clGetProgramInfo(program_, CL_PROGRAM_BINARIES, sizeof(places), places.data(), nullptr));
    const unsigned char* binary = places[index];
    cl_int status = CL_SUCCESS;
    Owned<cl_program> made(
        clCreateProgramWithBinary(span_, 1, &devices_[index], &sizes[index], &binary, nullptr, &status));
    EXPECT_CL(status);
    EXPECT_CL(clBuildProgram(made, 0, nullptr, "", nullptr, nullptr));
    return made;
  }
  static cl_int AskGroupSize(cl_kernel kernel, cl_device_id device) {
    size_t size = 0;
    return clGetKernelWorkGroupInfo(kernel, device, CL_KERNEL_WORK_GROUP_SIZE, sizeof(size), &size, nullptr);
  }
  Owned<cl_kernel> Adder(cl_mem buffer, cl_int delta) const {
    Owned<cl_kernel> kernel = NewKernel(program_, "add");
    EXPECT_CL(SetArgs(kernel, buffer, delta));
    return kernel;
  }

  std::array<cl_device_id, 2> devices_{};
  Owned<cl_context> span_;
  std::array<Owned<cl_command_queue>, 2> queues_;
  Owned<cl_program> program_;
};

TEST_F(SpanTest, OneDeviceGoesOnWithWhatTheOtherWrote) {
  NEEDS_RESULTS();
  Owned<cl_mem> data = Ints(std::vector<cl_int>(kCount, 1));
  std::vector<Owned<cl_kernel>> adders;
  std::vector<Owned<cl_event>> events(20);
  for (int i = 0; i < 20; ++i) {
    adders.push_back(Adder(data, i));
    std::vector<cl_event> wait;
    if (i > 0) wait.push_back(events[i - 1]);
    ASSERT_CL(Launch(queue(i % 2), adders.back(), kCount, wait, events[i].out()));
  }
  const std::vector<cl_event> last = {events.back()};
  std::vector<cl_int> back(kCount);
  ASSERT_CL(clEnqueueReadBuffer(queue(0), data, CL_TRUE, 0, kCount * 4, back.data(), 1, last.data(), nullptr));
  EXPECT_EQ(std::vector<cl_int>(kCount, 1 + 190), back);
}

TEST_F(SpanTest, FinishIsEnoughBetweenTheTwo) {
  NEEDS_RESULTS();
  Owned<cl_mem> data = Ints(std::vector<cl_int>(1000, 0));
  Owned<cl_kernel> add = Adder(data, 1);
  for (size_t i = 0; i < 10; ++i) {
    ASSERT_CL(Launch(queue(i % 2), add, 1000));
    ASSERT_CL(clFinish(queue(i % 2)));
  }
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(std::vector<cl_int>(1000, 10), ReadInts(data, 1000, queue(i)));
}

TEST_F(SpanTest, HalvesAreWrittenAtTheSameTime) {
  NEEDS_RESULTS();
  constexpr size_t kHalf = 256 * 1024;
  Owned<cl_mem> whole = Ints(std::vector<cl_int>(2 * kHalf, 5));
  Owned<cl_mem> parts[] = {Part(whole, 0, kHalf), Part(whole, kHalf, kHalf)};
  Owned<cl_kernel> adders[] = {Adder(parts[0], 10), Adder(parts[1], 20)};
  for (int round = 0; round < 5; ++round) {
    for (size_t i = 0; i < 2; ++i) ASSERT_CL(Launch(queue(i), adders[i], kHalf));
  }
  for (size_t i = 0; i < 2; ++i) ASSERT_CL(clFinish(queue(i)));
  std::vector<cl_int> expected(kHalf, 55);
  expected.resize(2 * kHalf, 105);
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(expected, ReadInts(whole, 2 * kHalf, queue(i)));
}

TEST_F(SpanTest, NothingWaitsForAnEventOfTheOtherDevice) {
  NEEDS_RESULTS();
  cl_int status = CL_SUCCESS;
  Owned<cl_event> gate(clCreateUserEvent(span_, &status));
  ASSERT_CL(status);
  Owned<cl_mem> data = Ints(std::vector<cl_int>(100, 0));
  Owned<cl_kernel> add = Adder(data, 1);
  Owned<cl_event> first, second, third;
  ASSERT_CL(Launch(queue(0), add, 100, {gate}, first.out()));
  ASSERT_CL(Launch(queue(1), add, 100, {first}, second.out()));  // returns although nothing has begun
  ASSERT_CL(Launch(queue(0), add, 100, {second}, third.out()));
  EXPECT_GT(StatusOf(third), CL_COMPLETE);
  ASSERT_CL(clSetUserEventStatus(gate, CL_COMPLETE));
  const cl_event last = third;
  ASSERT_CL(clWaitForEvents(1, &last));
  EXPECT_EQ(std::vector<cl_int>(100, 3), ReadInts(data, 100, queue(1)));
}

TEST_F(SpanTest, FailureReachesTheOtherDevice) {
  cl_int status = CL_SUCCESS;
  Owned<cl_event> gate(clCreateUserEvent(span_, &status));
  ASSERT_CL(status);
  Owned<cl_mem> data = Ints(std::vector<cl_int>(100, 0));
  Owned<cl_kernel> add = Adder(data, 1);
  Owned<cl_event> first, second;
  ASSERT_CL(Launch(queue(0), add, 100, {gate}, first.out()));
  ASSERT_CL(Launch(queue(1), add, 100, {first}, second.out()));
  ASSERT_CL(clSetUserEventStatus(gate, -7));
  const cl_event last = second;
  EXPECT_EQ(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, clWaitForEvents(1, &last));
  EXPECT_LT(StatusOf(second), 0);
  EXPECT_EQ(std::vector<cl_int>(100, 0), ReadInts(data, 100, queue(1)));
}

TEST_F(SpanTest, OutOfOrderQueuesWaitForEachOther) {
  NEEDS_RESULTS();
  Owned<cl_command_queue> queues[2];
  for (size_t i = 0; i < 2; ++i) queues[i] = NewSpanQueue(i, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
  Owned<cl_mem> data = Ints(std::vector<cl_int>(1000, 0));
  Owned<cl_kernel> add = Adder(data, 1);
  std::vector<Owned<cl_event>> events(30);
  for (size_t i = 0; i < events.size(); ++i) {
    std::vector<cl_event> wait;
    if (i > 0) wait.push_back(events[i - 1]);
    ASSERT_CL(Launch(queues[i % 2], add, 1000, wait, events[i].out()));
  }
  const cl_event last = events.back();
  ASSERT_CL(clWaitForEvents(1, &last));
  EXPECT_EQ(std::vector<cl_int>(1000, 30), ReadInts(data, 1000, queue(0)));
}

TEST_F(SpanTest, TransfersOfOneAreSeenByTheOther) {
  std::vector<cl_int> expected(1024);
  std::iota(expected.begin(), expected.end(), 0);
  Owned<cl_mem> data = Ints(expected), copy = Ints(std::vector<cl_int>(1024, -1));
  const cl_int value = 77;
  ASSERT_CL(clEnqueueFillBuffer(queue(1), data, &value, 4, 400, 80, 0, nullptr, nullptr));
  std::fill(expected.begin() + 100, expected.begin() + 120, 77);
  ASSERT_CL(clFinish(queue(1)));
  ASSERT_CL(clEnqueueWriteBuffer(queue(0), data, CL_TRUE, 0, 4, &value, 0, nullptr, nullptr));
  expected[0] = 77;
  ASSERT_CL(clEnqueueCopyBuffer(queue(1), data, copy, 0, 0, 4096, 0, nullptr, nullptr));
  ASSERT_CL(clFinish(queue(1)));
  // A rectangle of 4 by 4, in rows of 64.
  const size_t from[] = {0, 0, 0}, to[] = {128, 3, 0}, region[] = {16, 4, 1};
  ASSERT_CL(clEnqueueCopyBufferRect(queue(0), copy, copy, from, to, region, 256, 0, 256, 0, 0, nullptr, nullptr));
  for (size_t row = 0; row < 4; ++row)
    std::copy_n(expected.begin() + row * 64, 4, expected.begin() + 32 + (row + 3) * 64);
  ASSERT_CL(clFinish(queue(0)));
  EXPECT_EQ(expected, ReadInts(copy, 1024, queue(1)));
}

TEST_F(SpanTest, MappedHereUnmappedThere) {
  NEEDS_RESULTS();
  Owned<cl_mem> data = Ints(std::vector<cl_int>(1000, 4));
  Owned<cl_kernel> add = Adder(data, 3);
  ASSERT_CL(Launch(queue(0), add, 1000));
  ASSERT_CL(clFinish(queue(0)));
  cl_int status = CL_SUCCESS;
  auto* mapped = static_cast<cl_int*>(
      clEnqueueMapBuffer(queue(1), data, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 0, 4000, 0, nullptr, nullptr, &status));
  ASSERT_CL(status);
  for (size_t i = 0; i < 1000; ++i) {
    ASSERT_EQ(7, mapped[i]);
    mapped[i] = static_cast<cl_int>(i);
  }
  Owned<cl_event> unmapped;
  ASSERT_CL(clEnqueueUnmapMemObject(queue(0), data, mapped, 0, nullptr, unmapped.out()));
  ASSERT_CL(Launch(queue(1), add, 1000, {unmapped}));
  std::vector<cl_int> expected(1000);
  std::iota(expected.begin(), expected.end(), 3);
  ASSERT_CL(clFinish(queue(1)));
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(expected, ReadInts(data, 1000, queue(i)));
}

TEST_F(SpanTest, KernelOfBothIsAskedAboutOneOfThem) {
  Owned<cl_kernel> kernel = NewKernel(program_, "add");
  EXPECT_EQ(CL_INVALID_DEVICE, AskGroupSize(kernel, nullptr));
  for (const cl_device_id device : devices_) EXPECT_CL(AskGroupSize(kernel, device));
}

TEST_F(SpanTest, KernelOfOneIsAskedAboutNoOther) {
  for (size_t i = 0; i < 2; ++i) {
    Owned<cl_program> program = ProgramOf(i);
    cl_int status = CL_SUCCESS;
    Owned<cl_kernel> kernel(clCreateKernel(program, "add", &status));
    ASSERT_CL(status);
    EXPECT_CL(AskGroupSize(kernel, nullptr));
    EXPECT_CL(AskGroupSize(kernel, devices_[i]));
    EXPECT_EQ(CL_INVALID_DEVICE, AskGroupSize(kernel, devices_[1 - i]));
  }
}

TEST_F(SpanTest, EachHasItsOwnBuild) {
  cl_int status = CL_SUCCESS;
  Owned<cl_program> program(clCreateProgramWithSource(span_, 1, const_cast<const char**>(&kKernels), nullptr, &status));
  ASSERT_CL(status);
  ASSERT_CL(clBuildProgram(program, 1, &devices_[1], "", nullptr, nullptr));
  const auto build_status = [&](cl_device_id device) {
    cl_build_status built = CL_BUILD_ERROR;
    EXPECT_CL(clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_STATUS, sizeof(built), &built, nullptr));
    return built;
  };
  EXPECT_EQ(CL_BUILD_SUCCESS, build_status(devices_[1]));
  EXPECT_EQ(CL_BUILD_NONE, build_status(devices_[0]));
}

TEST_F(SpanTest, ImageOfOneIsReadByTheOther) {
  NEEDS_RESULTS();
  const cl_image_format format{CL_RGBA, CL_UNSIGNED_INT8};
  cl_image_desc desc{};
  desc.image_type = CL_MEM_OBJECT_IMAGE2D;
  desc.image_width = 37;
  desc.image_height = 19;
  cl_int status = CL_SUCCESS;
  Owned<cl_mem> image(clCreateImage(span_, CL_MEM_READ_WRITE, &format, &desc, nullptr, &status));
  if (status == CL_IMAGE_FORMAT_NOT_SUPPORTED || status == CL_INVALID_OPERATION) GTEST_SKIP() << "no such images";
  ASSERT_CL(status);
  std::vector<unsigned char> pixels(37 * 19 * 4), back(37 * 19 * 4);
  std::iota(pixels.begin(), pixels.end(), 0);
  const size_t origin[] = {0, 0, 0}, region[] = {37, 19, 1};
  ASSERT_CL(clEnqueueWriteImage(queue(0), image, CL_TRUE, origin, region, 0, 0, pixels.data(), 0, nullptr, nullptr));
  ASSERT_CL(clEnqueueReadImage(queue(1), image, CL_TRUE, origin, region, 0, 0, back.data(), 0, nullptr, nullptr));
  EXPECT_EQ(pixels, back);
  // Only a part is written there: the rest must have come along.
  const size_t at[] = {5, 6, 0}, piece[] = {3, 2, 1};
  const std::vector<unsigned char> patch(24, 200);
  ASSERT_CL(clEnqueueWriteImage(queue(1), image, CL_TRUE, at, piece, 0, 0, patch.data(), 0, nullptr, nullptr));
  for (size_t y = 6; y < 8; ++y) std::fill_n(pixels.begin() + static_cast<std::ptrdiff_t>((y * 37 + 5) * 4), 12, 200);
  ASSERT_CL(clEnqueueReadImage(queue(0), image, CL_TRUE, origin, region, 0, 0, back.data(), 0, nullptr, nullptr));
  EXPECT_EQ(pixels, back);
}

}  // namespace
}  // namespace xpool::conformance
