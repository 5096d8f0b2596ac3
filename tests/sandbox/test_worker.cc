#include "test_worker.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <vector>

#include "base/status.h"

namespace xpool::sandbox {
namespace {

// For a thread of the driver. Handed over and back by an atomic: the driver's own locks are out of the thread
// sanitizer's sight.
std::atomic<const std::function<void()>*> driver_job{nullptr};

absl::Status Checked(cl_int error, const char* call) {
  if (error == CL_SUCCESS) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(call, " gives ", error));
}

int RunInFork(const std::function<int()>& job) {
  const pid_t child = fork();
  if (child < 0) std::abort();
  if (child == 0) _exit(job());
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFSIGNALED(status)) return WEXITSTATUS(status);
  signal(WTERMSIG(status), SIG_DFL);
  raise(WTERMSIG(status));
  return -1;
}

}  // namespace

const char* PlaceName(Place place) {
  constexpr const char* kNames[] = {"MainThread", "ThreadBefore", "ThreadAfter", "DriverThread", "Child"};
  return kNames[static_cast<size_t>(place)];
}

JobThread::~JobThread() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void JobThread::Run(const std::function<void()>& job) {
  std::unique_lock<std::mutex> lock(mutex_);
  job_ = &job;
  changed_.notify_all();
  changed_.wait(lock, [this] { return job_ == nullptr; });
}

void JobThread::Work() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || job_ != nullptr; });
    if (stop_) return;
    (*job_)();
    job_ = nullptr;
    changed_.notify_all();
  }
}

absl::StatusOr<std::unique_ptr<TestWorker>> TestWorker::Start(const std::string& library) {
  ASSIGN_OR_RETURN(std::unique_ptr<local::Driver> driver, local::Driver::Load(library));
  ASSIGN_OR_RETURN(Sandbox sandbox, Sandbox::Prepare(ProfileOfLibrary(library), Sockets::kUnix));
  std::unique_ptr<TestWorker> worker(new TestWorker(std::move(driver), std::move(sandbox)));
  RETURN_IF_ERROR(worker->Warm());
  return worker;
}

absl::Status TestWorker::Warm() {
  const std::vector<cl_device_id> devices = local::ListDevices(driver_->platforms().front());
  if (devices.empty()) return absl::UnavailableError("the driver has no device");
  device_ = devices.front();
  cl_int error = CL_SUCCESS;
  context_ = api().clCreateContext(nullptr, 1, &device_, nullptr, nullptr, &error);
  RETURN_IF_ERROR(Checked(error, "clCreateContext"));
  queue_ = api().clCreateCommandQueue(context_, device_, 0, &error);
  return Checked(error, "clCreateCommandQueue");
}

absl::StatusOr<Report> TestWorker::Enter(Sockets sockets, const Spec& spec) {
  if (sockets != Sockets::kUnix) {
    ASSIGN_OR_RETURN(sandbox_, Sandbox::Prepare(ProfileOfLibrary(driver_->library()), sockets));
  }
  return sandbox_.Enter(spec);
}

int TestWorker::RunAt(Place place, const std::function<int()>& job) {
  if (place == Place::kChild) return RunInFork(job);
  int result = -1;
  const std::function<void()> keep = [&] { result = job(); };
  if (place == Place::kMainThread) keep();
  if (place == Place::kThreadBefore) thread_before_.Run(keep);
  if (place == Place::kThreadAfter) std::thread(keep).join();
  if (place == Place::kDriverThread) RunInDriver(keep);
  return result;
}

void TestWorker::RunInDriver(const std::function<void()>& job) {
  driver_job.store(&job);
  const auto run = [](void*) {
    (*driver_job.load())();
    driver_job.store(nullptr);
  };
  api().clEnqueueNativeKernel(queue_, run, nullptr, 0, 0, nullptr, nullptr, 0, nullptr, nullptr);
  api().clFinish(queue_);
  if (driver_job.load() != nullptr) std::abort();  // the driver has not run it
}

absl::StatusOr<int> TestWorker::BuildAndRun(const std::string& source, const std::string& options) {
  const char* text = source.c_str();
  cl_int error = CL_SUCCESS;
  cl_program program = api().clCreateProgramWithSource(context_, 1, &text, nullptr, &error);
  RETURN_IF_ERROR(Checked(error, "clCreateProgramWithSource"));
  const cl_int built = api().clBuildProgram(program, 1, &device_, options.c_str(), nullptr, nullptr);
  build_log_.assign(65536, '\0');
  size_t log_bytes = 0;
  api().clGetProgramBuildInfo(program, device_, CL_PROGRAM_BUILD_LOG, build_log_.size(), build_log_.data(), &log_bytes);
  build_log_.resize(log_bytes);
  RETURN_IF_ERROR(Checked(built, "clBuildProgram"));
  absl::StatusOr<int> result = RunKernel(program);
  api().clReleaseProgram(program);
  return result;
}

absl::StatusOr<int> TestWorker::RunKernel(cl_program program) {
  cl_int error = CL_SUCCESS;
  cl_kernel kernel = api().clCreateKernel(program, "k", &error);
  RETURN_IF_ERROR(Checked(error, "clCreateKernel"));
  cl_mem buffer = api().clCreateBuffer(context_, CL_MEM_READ_WRITE, sizeof(cl_int), nullptr, &error);
  RETURN_IF_ERROR(Checked(error, "clCreateBuffer"));
  RETURN_IF_ERROR(Checked(api().clSetKernelArg(kernel, 0, sizeof(buffer), &buffer), "clSetKernelArg"));
  const size_t one = 1;
  RETURN_IF_ERROR(Checked(api().clEnqueueNDRangeKernel(queue_, kernel, 1, nullptr, &one, &one, 0, nullptr, nullptr),
                          "clEnqueueNDRangeKernel"));
  cl_int value = 0;
  RETURN_IF_ERROR(
      Checked(api().clEnqueueReadBuffer(queue_, buffer, CL_TRUE, 0, sizeof(value), &value, 0, nullptr, nullptr),
              "clEnqueueReadBuffer"));
  api().clReleaseKernel(kernel);
  api().clReleaseMemObject(buffer);
  return value;
}

}  // namespace xpool::sandbox
