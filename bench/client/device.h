// The OpenCL side of the benchmark programs: the first device, one queue, and a kernel that computes for as long as it
// is told. An error of the API ends the program with a message: a benchmark that goes on would measure something else.
#pragma once

#include <CL/cl.h>

#include <cstdint>
#include <string>

namespace xpool::bench {

// Ends the program when |status| is an error.
void Check(cl_int status, const char* call);

enum class Size { kDevice, kOneGroup };  // fills all compute units, or occupies one

class Device {
 public:
  explicit Device(cl_command_queue_properties queue_flags = 0);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // Enqueues the spinning kernel; |event| may be null.
  void Launch(Size size, uint32_t loops, cl_event* event);
  // Wall time of one launch to its end, in nanoseconds.
  int64_t TimeLaunch(Size size, uint32_t loops);
  // How many loops make a kernel last |kernel_ns| on the idle device.
  uint32_t Calibrate(Size size, int64_t kernel_ns);
  // Takes |bytes| of device memory and touches them.
  void Allocate(size_t bytes);

  cl_command_queue queue() const { return queue_; }

 private:
  cl_device_id device_ = nullptr;
  cl_context context_ = nullptr;
  cl_command_queue queue_ = nullptr;
  cl_program program_ = nullptr;
  cl_kernel kernel_ = nullptr;
  cl_mem out_ = nullptr;
  cl_mem ballast_ = nullptr;
  size_t device_items_ = 0;
};

}  // namespace xpool::bench
