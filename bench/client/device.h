// The OpenCL side of the benchmark programs: the first device, one queue, and a kernel that computes for as long as it
// is told. An error of the API ends the program with a message: a benchmark that goes on would measure something else.
#pragma once

#include <CL/cl.h>

#include <cstdint>

namespace xpool::bench {

// Ends the program when |status| is an error.
void Check(cl_int status, const char* call);

cl_kernel NewKernel(cl_program program, const char* name);

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

  // What these make is the caller's.
  cl_mem NewBuffer(size_t bytes);
  cl_program Build(const char* source, const char* options = "");

  void Enqueue(cl_kernel kernel, size_t items, const size_t* group = nullptr, cl_event* event = nullptr);
  void Write(cl_mem buffer, cl_bool blocking, size_t bytes, const void* data);
  // Returns when |data| is there.
  void Read(cl_mem buffer, size_t bytes, void* data);
  void Finish() { Check(clFinish(queue_), "clFinish"); }

  cl_context context() const { return context_; }
  cl_command_queue queue() const { return queue_; }
  cl_program program() const { return program_; }

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
