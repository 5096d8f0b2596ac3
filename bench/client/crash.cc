// xpool_bench_crash: a program whose kernel writes where there is no memory. On a driver that runs kernels in its
// process, that is the end of this program, or of the worker that calls the driver for it; then the program is told so
// by an error, which it prints.

#include <cstdio>

#include "device.h"

namespace xpool::bench {
namespace {

constexpr const char* kSource = R"(
  __kernel void crash(ulong address) { *(volatile __global int*)(size_t)address = 1; })";

int Main() {
  Device device;
  device.TimeLaunch(Size::kOneGroup, 0);
  const cl_kernel kernel = NewKernel(device.Build(kSource), "crash");
  const cl_ulong address = 8;
  Check(clSetKernelArg(kernel, 0, sizeof(address), &address), "clSetKernelArg");
  device.Enqueue(kernel, 1);
  device.Finish();
  fprintf(stderr, "the kernel did not crash\n");
  return 0;
}

}  // namespace
}  // namespace xpool::bench

int main() { return xpool::bench::Main(); }
