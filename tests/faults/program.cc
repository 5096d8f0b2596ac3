#include "program.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace xpool::faults {
namespace {

constexpr size_t kBuffers = 4;
constexpr size_t kBufferBytes = 5 * 1024 * 1024;  // so that some transfers go through mappings in the worker

}  // namespace

Program::Program(const cl::DispatchTable& api, cl_context context, cl_device_id device, uint32_t stream, uint64_t seed)
    : api_(api), context_(context), stream_(stream), random_(seed) {
  cl_int status = CL_SUCCESS;
  queue_ = api_.clCreateCommandQueueWithProperties(context, device, nullptr, &status);
  EXPECT_EQ(status, CL_SUCCESS);
  buffers_.resize(kBuffers);
  for (Buffer& buffer : buffers_) {
    buffer.mem = api_.clCreateBuffer(context, CL_MEM_READ_WRITE, kBufferBytes, nullptr, &status);
    EXPECT_EQ(status, CL_SUCCESS);
    buffer.holds.resize(kBufferBytes);
    const unsigned char zero = 0;
    EXPECT_EQ(api_.clEnqueueFillBuffer(queue_, buffer.mem, &zero, 1, 0, kBufferBytes, 0, nullptr, nullptr), CL_SUCCESS);
  }
}

Program::~Program() {
  EXPECT_EQ(callbacks_, wanted_callbacks_);
  for (const Buffer& buffer : buffers_) api_.clReleaseMemObject(buffer.mem);
  api_.clReleaseCommandQueue(queue_);
}

void Program::Run(int steps) {
  // What is cheap comes often.
  constexpr std::array<Step, 16> kSteps = {
      &Program::Fill,  &Program::Fill,         &Program::Fill,     &Program::Fill,  &Program::Fill, &Program::Write,
      &Program::Write, &Program::Write,        &Program::Read,     &Program::Read,  &Program::Copy, &Program::Copy,
      &Program::Make,  &Program::ChangeMapped, &Program::CallBack, &Program::Finish};
  for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) (this->*kSteps[random_() % kSteps.size()])();
  Finish();
  for (const Buffer& buffer : buffers_) ReadBack(buffer, kBufferBytes);
  while (callbacks_ < wanted_callbacks_ && !testing::Test::HasFailure()) usleep(1000);
}

std::vector<unsigned char> Program::RandomBytes(size_t size) {
  std::vector<unsigned char> bytes(size);
  for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
    const uint64_t word = random_();
    std::memcpy(bytes.data() + at, &word, std::min(size - at, sizeof(word)));
  }
  return bytes;
}

// Inside a frame, in bulk frames, or through a mapping.
size_t Program::RandomSize() {
  constexpr std::array<size_t, 8> kMost = {16, 16, 4096, 4096, 4096, 100'000, 100'000, kBufferBytes};
  return 1 + random_() % kMost[random_() % kMost.size()];
}

// A buffer that begins with the program's bytes instead of one of those that there are.
void Program::Make() {
  Buffer& buffer = AnyBuffer();
  std::vector<unsigned char> bytes = RandomBytes(kBufferBytes / 8);
  bytes.resize(kBufferBytes);
  cl_int status = CL_SUCCESS;
  const cl_mem made =
      api_.clCreateBuffer(context_, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, kBufferBytes, bytes.data(), &status);
  ASSERT_EQ(status, CL_SUCCESS);
  api_.clReleaseMemObject(std::exchange(buffer.mem, made));
  buffer.holds = std::move(bytes);
}

void Program::Fill() {
  Buffer& buffer = AnyBuffer();
  const uint64_t pattern = uint64_t{stream_} << 32 | ++fills_;
  const size_t count = 1 + random_() % 100, offset = random_() % (kBufferBytes / sizeof(pattern) - count);
  ASSERT_EQ(api_.clEnqueueFillBuffer(queue_, buffer.mem, &pattern, sizeof(pattern), offset * sizeof(pattern),
                                     count * sizeof(pattern), 0, nullptr, nullptr),
            CL_SUCCESS);
  for (size_t i = 0; i < count; ++i)
    std::memcpy(buffer.holds.data() + (offset + i) * sizeof(pattern), &pattern, sizeof(pattern));
}

void Program::Write() {
  Buffer& buffer = AnyBuffer();
  const bool taken = random_() % 3 == 0;  // the bytes, when the call returns
  const size_t size = RandomSize(), offset = random_() % (kBufferBytes - size + 1);
  std::vector<unsigned char> bytes = RandomBytes(size);
  ASSERT_EQ(api_.clEnqueueWriteBuffer(queue_, buffer.mem, taken ? CL_TRUE : CL_FALSE, offset, size, bytes.data(), 0,
                                      nullptr, nullptr),
            CL_SUCCESS);
  std::copy(bytes.begin(), bytes.end(), buffer.holds.begin() + static_cast<std::ptrdiff_t>(offset));
  if (!taken) written_.push_back(std::move(bytes));
}

void Program::Read() { ReadBack(AnyBuffer(), RandomSize()); }

void Program::ReadBack(const Buffer& buffer, size_t size) {
  const size_t offset = random_() % (kBufferBytes - size + 1);
  std::vector<unsigned char> read(size);
  cl_event event = nullptr;
  ASSERT_EQ(api_.clEnqueueReadBuffer(queue_, buffer.mem, CL_FALSE, offset, size, read.data(), 0, nullptr, &event),
            CL_SUCCESS);
  Await(event);
  ASSERT_EQ(std::memcmp(read.data(), buffer.holds.data() + offset, size), 0) << size << " bytes at " << offset;
}

void Program::Await(cl_event event) {
  EXPECT_EQ(api_.clWaitForEvents(1, &event), CL_SUCCESS);
  api_.clReleaseEvent(event);
}

void Program::Copy() {
  const Buffer& from = buffers_[0];
  Buffer& to = buffers_[1 + random_() % (kBuffers - 1)];
  const size_t size = RandomSize(), offset = random_() % (kBufferBytes - size + 1);
  ASSERT_EQ(api_.clEnqueueCopyBuffer(queue_, from.mem, to.mem, offset, offset, size, 0, nullptr, nullptr), CL_SUCCESS);
  std::memcpy(to.holds.data() + offset, from.holds.data() + offset, size);
}

void Program::ChangeMapped() {
  Buffer& buffer = AnyBuffer();
  const size_t size = RandomSize(), offset = random_() % (kBufferBytes - size + 1);
  cl_int status = CL_SUCCESS;
  cl_event event = nullptr;
  auto* const mapped = static_cast<unsigned char*>(api_.clEnqueueMapBuffer(
      queue_, buffer.mem, CL_FALSE, CL_MAP_READ | CL_MAP_WRITE, offset, size, 0, nullptr, &event, &status));
  ASSERT_EQ(status, CL_SUCCESS);
  Await(event);
  ASSERT_EQ(std::memcmp(mapped, buffer.holds.data() + offset, size), 0) << size << " bytes at " << offset;
  const std::vector<unsigned char> bytes = RandomBytes(size);
  std::memcpy(mapped, bytes.data(), size);
  ASSERT_EQ(api_.clEnqueueUnmapMemObject(queue_, buffer.mem, mapped, 0, nullptr, nullptr), CL_SUCCESS);
  std::memcpy(buffer.holds.data() + offset, bytes.data(), size);
}

void Program::CallBack() {
  cl_event event = nullptr;
  ASSERT_EQ(api_.clEnqueueMarkerWithWaitList(queue_, 0, nullptr, &event), CL_SUCCESS);
  const auto called = [](cl_event, cl_int, void* data) { ++static_cast<Program*>(data)->callbacks_; };
  EXPECT_EQ(api_.clSetEventCallback(event, CL_COMPLETE, called, this), CL_SUCCESS);
  ++wanted_callbacks_;
  if (random_() % 2 == 0) return Await(event);
  api_.clReleaseEvent(event);
}

void Program::Finish() {
  ASSERT_EQ(api_.clFinish(queue_), CL_SUCCESS);
  written_.clear();
}

}  // namespace xpool::faults
