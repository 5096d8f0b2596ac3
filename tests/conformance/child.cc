#include "child.h"

#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "cl_test.h"

namespace xpool::conformance {
namespace {

// Handles are never released: exit has to cope with that.
struct Work {
  cl_context context = nullptr;
  cl_command_queue queue = nullptr;
  cl_mem buffer = nullptr;
  cl_kernel spin = nullptr;
  bool ok = false;
};

Work Prepare() {
  Work work;
  cl_device_id device = GetTarget().device;
  cl_int status = CL_SUCCESS;
  work.context = clCreateContext(nullptr, 1, &device, nullptr, nullptr, &status);
  if (status != CL_SUCCESS) return work;
  work.queue = clCreateCommandQueue(work.context, device, 0, &status);
  if (status != CL_SUCCESS) return work;
  work.buffer = clCreateBuffer(work.context, CL_MEM_READ_WRITE, 1 << 16, nullptr, &status);
  if (status != CL_SUCCESS) return work;
  const char* source = kKernels;
  cl_program program = clCreateProgramWithSource(work.context, 1, &source, nullptr, &status);
  if (status != CL_SUCCESS || clBuildProgram(program, 1, &device, "", nullptr, nullptr) != CL_SUCCESS) return work;
  work.spin = clCreateKernel(program, "spin", &status);
  work.ok = status == CL_SUCCESS && SetArgs(work.spin, work.buffer, cl_uint{5000}) == CL_SUCCESS;
  return work;
}

bool EnqueueMuch(const Work& work, cl_event gate) {
  for (int i = 0; i < 50; ++i) {
    std::vector<cl_event> wait;
    if (gate != nullptr) wait.push_back(gate);
    if (Launch(work.queue, work.spin, 1024, wait) != CL_SUCCESS) return false;
  }
  return clFlush(work.queue) == CL_SUCCESS;
}

int Compute() {
  Work work = Prepare();
  if (!work.ok) return 1;
  cl_uint in[4] = {1, 2, 3, 4}, out[4] = {};
  if (clEnqueueWriteBuffer(work.queue, work.buffer, CL_TRUE, 0, sizeof(in), in, 0, nullptr, nullptr) != CL_SUCCESS) {
    return 2;
  }
  if (clEnqueueReadBuffer(work.queue, work.buffer, CL_TRUE, 0, sizeof(out), out, 0, nullptr, nullptr) != CL_SUCCESS) {
    return 3;
  }
  return memcmp(in, out, sizeof(in)) == 0 ? 0 : 4;
}

int ExitBehindUserEvent() {
  Work work = Prepare();
  cl_int status = CL_SUCCESS;
  cl_event gate = clCreateUserEvent(work.context, &status);
  return work.ok && status == CL_SUCCESS && EnqueueMuch(work, gate) ? 8 : 1;
}

}  // namespace

int RunChildProgram(const std::string& name) {
  alarm(60);
  if (name == "compute") return Compute();
  if (name == "exit_behind_user_event") return ExitBehindUserEvent();
  Work work = Prepare();
  // PoCL compiles a kernel once more at its first launch, in a thread of its own, and LLVM aborts when its destructors
  // run under that: so the first launch is over before anybody exits.
  if (!work.ok || Launch(work.queue, work.spin, 1024, {}) != CL_SUCCESS || clFinish(work.queue) != CL_SUCCESS) return 1;
  if (!EnqueueMuch(work, nullptr)) return 1;
  if (name == "exit_with_work") return 7;
  if (name == "quick_exit_with_work") _exit(9);
  // Done, but nothing released: PoCL may crash when its destructors run on a thread other than main's under a kernel.
  if (name == "exit_from_thread" && clFinish(work.queue) == CL_SUCCESS) std::thread([] { exit(10); }).join();
  return 124;
}

}  // namespace xpool::conformance
