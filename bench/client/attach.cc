// xpool_bench_attach: how long a program needs from its start to its first context. It notes the time and executes
// itself anew, so that what the loader and the libraries' constructors take is measured too, and what started it is
// not. Prints JSON, in nanoseconds since the start: main, platform, context.

#include <CL/cl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/clock.h"
#include "device.h"

namespace xpool::bench {
namespace {

int StartAnew(char** argv) {
  const std::string now = std::to_string(MonotonicNowNs());
  execl("/proc/self/exe", argv[0], now.c_str(), nullptr);
  perror("execl");
  return 1;
}

int Main(int argc, char** argv) {
  if (argc < 2) return StartAnew(argv);
  const long long start_ns = strtoll(argv[1], nullptr, 10);
  const auto since_start = [&] { return static_cast<long long>(MonotonicNowNs()) - start_ns; };
  const long long main_ns = since_start();
  cl_platform_id platform;
  cl_device_id device;
  Check(clGetPlatformIDs(1, &platform, nullptr), "clGetPlatformIDs");
  Check(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, nullptr), "clGetDeviceIDs");
  const long long platform_ns = since_start();
  cl_int status;
  const cl_context context = clCreateContext(nullptr, 1, &device, nullptr, nullptr, &status);
  Check(status, "clCreateContext");
  printf("{\"main\": %lld, \"platform\": %lld, \"context\": %lld}\n", main_ns, platform_ns, since_start());
  clReleaseContext(context);
  return 0;
}

}  // namespace
}  // namespace xpool::bench

int main(int argc, char** argv) { return xpool::bench::Main(argc, argv); }
