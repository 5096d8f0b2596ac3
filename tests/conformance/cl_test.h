// What every conformance test stands on: the device under test, owned handles, and a fixture with a context, a queue
// and a small program. The tests see OpenCL as any client does, through the ICD loader, and know nothing of xpool: the
// same binary runs natively, in a slice over a real driver, and in a slice over the null driver.
//
// The device under test is the first device of the first platform. Fixtures are single-threaded unless a test says so.
#pragma once

#include <CL/cl.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace xpool::conformance {

struct Target {
  cl_platform_id platform = nullptr;
  cl_device_id device = nullptr;
  std::string platform_name, platform_version, device_name;
  bool computes = true;   // false over the null driver: kernels do nothing and any source "builds"
  bool in_slice = false;  // the program runs under `xpool run`

  bool HasExtension(const std::string& name) const;
};

// Looks the device up on first use; a machine without one fails every test with the loader's error code.
const Target& GetTarget();

inline void ReleaseHandle(cl_context handle) { clReleaseContext(handle); }
inline void ReleaseHandle(cl_command_queue handle) { clReleaseCommandQueue(handle); }
inline void ReleaseHandle(cl_mem handle) { clReleaseMemObject(handle); }
inline void ReleaseHandle(cl_sampler handle) { clReleaseSampler(handle); }
inline void ReleaseHandle(cl_program handle) { clReleaseProgram(handle); }
inline void ReleaseHandle(cl_kernel handle) { clReleaseKernel(handle); }
inline void ReleaseHandle(cl_event handle) { clReleaseEvent(handle); }
inline void ReleaseHandle(cl_device_id handle) { clReleaseDevice(handle); }

// One API reference, released at the end of the scope.
template <typename T>
class Owned {
 public:
  Owned() = default;
  explicit Owned(T handle) : handle_(handle) {}
  Owned(Owned&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Owned() { Reset(); }

  T get() const { return handle_; }
  operator T() const { return handle_; }  // NOLINT: handles go into OpenCL calls everywhere
  T* out() {
    Reset();
    return &handle_;
  }
  T Give() { return std::exchange(handle_, nullptr); }
  void Reset() {
    if (handle_ != nullptr) ReleaseHandle(std::exchange(handle_, nullptr));
  }

 private:
  T handle_ = nullptr;
};

// A flag that a callback sets and the test waits for; gives up after half a minute so that a lost callback fails.
class Latch {
 public:
  explicit Latch(int count) : count_(count) {}
  void CountDown();
  bool Wait();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_;
};

// Sources of the fixture's program; see cl_test.cc.
extern const char* const kKernels;

class ClTest : public ::testing::Test {
 protected:
  void SetUp() override;

  cl_device_id device() const { return GetTarget().device; }
  cl_context context() const { return context_; }
  cl_command_queue queue() const { return queue_; }

  Owned<cl_context> NewContext() const;
  Owned<cl_command_queue> NewQueue(cl_command_queue_properties properties = 0) const;
  // Of the device under test, in another context than the fixture's.
  static Owned<cl_command_queue> NewQueueIn(cl_context context, cl_command_queue_properties properties = 0);
  // |bytes| of device memory; |data| is copied in when given.
  Owned<cl_mem> NewBuffer(size_t bytes, const void* data = nullptr, cl_mem_flags flags = CL_MEM_READ_WRITE) const;
  Owned<cl_mem> NewInts(const std::vector<cl_int>& values) const;
  Owned<cl_event> NewUserEvent() const;
  Owned<cl_program> NewProgram(const char* source, const char* options = "") const;
  // A kernel of the fixture's program, which is built on first use.
  Owned<cl_kernel> NewKernel(const char* name);
  static Owned<cl_kernel> NewKernel(cl_program program, const char* name);
  cl_program program();

  std::vector<cl_int> ReadInts(cl_mem buffer, size_t count, cl_command_queue queue = nullptr) const;

 private:
  Owned<cl_context> context_;
  Owned<cl_command_queue> queue_;
  Owned<cl_program> program_;
};

// Sets arguments by value, in order.
template <typename... Args>
cl_int SetArgs(cl_kernel kernel, const Args&... args) {
  cl_uint index = 0;
  cl_int status = CL_SUCCESS;
  auto set = [&](size_t size, const void* value) {
    cl_int result = clSetKernelArg(kernel, index++, size, value);
    if (status == CL_SUCCESS) status = result;
  };
  (set(sizeof(args), &args), ...);
  return status;
}

// Enqueues |kernel| over |global| items with a wait list and an optional event.
cl_int Launch(cl_command_queue queue, cl_kernel kernel, size_t global, const std::vector<cl_event>& wait = {},
              cl_event* event = nullptr);

// A scalar out of clGet*Info; a failing query fails the test.
template <typename T, typename Handle, typename Function>
T Query(Function function, Handle handle, cl_uint name) {
  T value{};
  size_t size = 0;
  EXPECT_EQ(CL_SUCCESS, function(handle, name, sizeof(T), &value, &size)) << "query 0x" << std::hex << name;
  EXPECT_EQ(sizeof(T), size) << "query 0x" << std::hex << name;
  return value;
}

// The same of a string.
template <typename Handle, typename Function>
std::string QueryText(Function function, Handle handle, cl_uint name) {
  size_t size = 0;
  EXPECT_EQ(CL_SUCCESS, function(handle, name, 0, nullptr, &size)) << "query 0x" << std::hex << name;
  std::string text(size, '\0');
  EXPECT_EQ(CL_SUCCESS, function(handle, name, size, text.data(), nullptr)) << "query 0x" << std::hex << name;
  return text.c_str();
}

inline cl_int StatusOf(cl_event event) {
  return Query<cl_int>(clGetEventInfo, event, CL_EVENT_COMMAND_EXECUTION_STATUS);
}

// For the one assertion of a test that the named driver fails natively.
inline bool DriverDeviates(const std::string& platform) {
  return GetTarget().computes && GetTarget().platform_name == platform;
}

}  // namespace xpool::conformance

#define ASSERT_CL(expression) ASSERT_EQ(CL_SUCCESS, (expression))
#define EXPECT_CL(expression) EXPECT_EQ(CL_SUCCESS, (expression))

#define NEEDS_RESULTS() \
  if (!::xpool::conformance::GetTarget().computes) GTEST_SKIP() << "the null driver computes nothing"

// For a check that the null driver leaves out.
#define NEEDS_A_REAL_DRIVER() \
  if (!::xpool::conformance::GetTarget().computes) GTEST_SKIP() << "the null driver does not check this"

// For a test that the named driver fails; says what it does instead.
#define KNOWN_DEVIATION(platform, why) \
  if (::xpool::conformance::DriverDeviates(platform)) GTEST_SKIP() << "known deviation of " platform ": " why

// The same where a slice does better than the driver.
#define KNOWN_NATIVE_DEVIATION(platform, why)                                                        \
  if (!::xpool::conformance::GetTarget().in_slice && ::xpool::conformance::DriverDeviates(platform)) \
  GTEST_SKIP() << "known deviation of " platform ": " why

#define POCL "Portable Computing Language"
