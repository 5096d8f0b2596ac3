// A worker as far as the sandbox is concerned, for tests: it loads a driver, warms it up, enters, and runs what it is
// told on any kind of thread a worker has.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backend/local/driver.h"
#include "sandbox/enter.h"

namespace xpool::sandbox {

enum class Place {
  kMainThread,
  kThreadBefore,  // a thread that runs when the sandbox is entered
  kThreadAfter,   // one made afterwards
  kDriverThread,  // the driver's own, reached through a native kernel
  kChild,         // a process forked afterwards, as the driver's linker is
};
const char* PlaceName(Place place);

// A thread that waits for one job.
class JobThread {
 public:
  JobThread() : thread_([this] { Work(); }) {}
  ~JobThread();
  void Run(const std::function<void()>& job);

 private:
  void Work();

  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void()>* job_ = nullptr;
  bool stop_ = false;
  std::thread thread_;
};

class TestWorker {
 public:
  // Loads |library| and brings up its first device.
  static absl::StatusOr<std::unique_ptr<TestWorker>> Start(const std::string& library);

  absl::StatusOr<Report> Enter(Sockets sockets, const Spec& spec);

  // Calls |job| there and gives what it returns, a number below 256. A job that ends a child by a signal ends this
  // process by the same.
  int RunAt(Place place, const std::function<int()>& job);

  // Builds "kernel void k(global int*)" from |source|, runs one work item and gives the first element.
  absl::StatusOr<int> BuildAndRun(const std::string& source, const std::string& options = "");

  const std::string& build_log() const { return build_log_; }

 private:
  TestWorker(std::unique_ptr<local::Driver> driver, Sandbox sandbox)
      : driver_(std::move(driver)), sandbox_(std::move(sandbox)) {}
  absl::Status Warm();
  void RunInDriver(const std::function<void()>& job);
  absl::StatusOr<int> RunKernel(cl_program program);
  const cl::DispatchTable& api() const { return driver_->platforms().front().api; }

  std::unique_ptr<local::Driver> driver_;
  Sandbox sandbox_;
  JobThread thread_before_;
  cl_device_id device_ = nullptr;
  cl_context context_ = nullptr;
  cl_command_queue queue_ = nullptr;
  std::string build_log_;
};

}  // namespace xpool::sandbox
