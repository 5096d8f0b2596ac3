// A buffer of a session with a queue to reach it by, kept alive for a thread that works beside the session's calls.
#pragma once

#include <CL/cl.h>

#include <utility>

#include "generated/opencl/dispatch_table.h"

namespace xpool::worker {

class HeldBuffer {
 public:
  HeldBuffer() = default;
  // Takes references of its own.
  HeldBuffer(const cl::DispatchTable& api, cl_command_queue queue, cl_mem mem) : api_(&api), queue_(queue), mem_(mem) {
    api.clRetainCommandQueue(queue);
    api.clRetainMemObject(mem);
  }
  HeldBuffer(HeldBuffer&& other) noexcept
      : api_(std::exchange(other.api_, nullptr)), queue_(other.queue_), mem_(other.mem_) {}
  HeldBuffer& operator=(HeldBuffer&&) = delete;
  ~HeldBuffer() {
    if (api_ == nullptr) return;
    api_->clReleaseMemObject(mem_);
    api_->clReleaseCommandQueue(queue_);
  }

  const cl::DispatchTable& api() const { return *api_; }
  cl_command_queue queue() const { return queue_; }
  cl_mem mem() const { return mem_; }

 private:
  const cl::DispatchTable* api_ = nullptr;
  cl_command_queue queue_ = nullptr;
  cl_mem mem_ = nullptr;
};

}  // namespace xpool::worker
