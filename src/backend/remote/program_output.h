// Where the text goes that kernels print on other nodes: to the program's standard output, in the order in which it
// came. A thread of its own writes, as whoever reads a lane must not wait for a terminal; who waits for a command waits
// for its text too (Flush()).
//
// Bounded: what comes while too much is unwritten is dropped, and that is said. Thread-safe. A child of fork() begins
// with nothing to write.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace xpool::remote {

class ProgramOutput {
 public:
  // Writes to |fd|, the caller's. |dropped| is called with how many bytes were, after what came before them was
  // written.
  ProgramOutput(int fd, size_t most_bytes, std::function<void(uint64_t)> dropped)
      : fd_(fd), most_bytes_(most_bytes), dropped_(std::move(dropped)) {}
  // Writes what is left.
  ~ProgramOutput();

  // This process's standard output.
  static ProgramOutput& OfProcess();

  // Does not wait.
  void Add(std::span<const std::byte> bytes);
  // Waits until all that was added before is written or dropped. Costs nothing when it is.
  void Flush();

 private:
  void Run();
  void Write(const std::string& text) const;

  const int fd_;
  const size_t most_bytes_;
  const std::function<void(uint64_t)> dropped_;
  std::atomic<bool> busy_{false};  // something is not written yet
  Mutex mutex_;
  CondVar changed_;
  std::string pending_ ABSL_GUARDED_BY(mutex_);
  uint64_t dropped_bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // behind |pending_|
  uint64_t added_ ABSL_GUARDED_BY(mutex_) = 0;          // calls of Add(), and how many of them are done
  uint64_t done_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread writer_ ABSL_GUARDED_BY(mutex_);  // once there is something
};

}  // namespace xpool::remote
