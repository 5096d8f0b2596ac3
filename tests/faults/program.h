// One of the threads of a program on a remote slice: does with a queue and buffers of its own what a seed says, and
// knows what must come of it. Calls the driver below the shim, whose functions leave waiting to their caller. For
// tests.
#pragma once

#include <CL/cl.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <random>
#include <vector>

#include "generated/opencl/dispatch_table.h"

namespace xpool::faults {

class Program {
 public:
  // |stream|: the upper half of the patterns of this thread's fills (CallRecord).
  Program(const cl::DispatchTable& api, cl_context context, cl_device_id device, uint32_t stream, uint64_t seed);
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  // Test failures say what went wrong. Everything is complete when it returns.
  void Run(int steps);

  // How many fills Run() has called: their numbers are 1, 2, 3...
  uint32_t fills() const { return fills_; }

 private:
  struct Buffer {
    cl_mem mem = nullptr;
    std::vector<unsigned char> holds;
  };

  using Step = void (Program::*)();

  void Make();
  void Fill();
  void Write();
  void Read();
  void Copy();
  void ChangeMapped();
  void CallBack();
  void Finish();

  void ReadBack(const Buffer& buffer, size_t size);
  void Await(cl_event event);

  std::vector<unsigned char> RandomBytes(size_t size);
  size_t RandomSize();
  Buffer& AnyBuffer() { return buffers_[random_() % buffers_.size()]; }

  const cl::DispatchTable& api_;
  const cl_context context_;
  const uint32_t stream_;
  std::mt19937_64 random_;
  cl_command_queue queue_ = nullptr;
  std::vector<Buffer> buffers_;
  std::deque<std::vector<unsigned char>> written_;  // by commands that are under way
  uint32_t fills_ = 0;
  int wanted_callbacks_ = 0;
  std::atomic<int> callbacks_{0};
};

}  // namespace xpool::faults
