// What kernels print. Drivers write it to the process's standard output, which is a pipe here, read by the worker
// itself and sent to the client. In order: what a command has printed is sent before the news that it is complete.
//
// Nothing is dropped here. While the client has not taken what was sent before, the pipe is left full, and a kernel
// that prints waits, as it does where a terminal is slow.
//
// Threading: everything is for any thread, callbacks of the driver too; a thread of its own reads what nobody has
// drained. Lifecycle: never destroyed once started, as its thread runs on.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "base/fd.h"
#include "base/mutex.h"

namespace xpool::worker {

class KernelOutput {
 public:
  using Send = std::function<void(std::span<const std::byte>)>;

  // From now on |target| (STDOUT_FILENO, but in tests) is the pipe.
  static absl::StatusOr<std::unique_ptr<KernelOutput>> Take(int target);

  // |send| is called with pieces of at most wire_cl::kMaxOutputBytes, one at a time; it does not wait. |has_room|:
  // whether more may be sent, besides what a command has printed that is complete now.
  void Start(Send send, std::function<bool()> has_room);

  // Sends what was printed before this call. REQUIRES: started.
  void Drain();

 private:
  explicit KernelOutput(UniqueFd pipe) : pipe_(std::move(pipe)) {}

  // Sends what is in the pipe, |most_bytes| at most.
  void SendSome(size_t most_bytes);
  void Run();

  const UniqueFd pipe_;  // its reading end, which does not block
  Mutex mutex_;          // held from reading a piece until it is sent
  Send send_;
  std::function<bool()> has_room_;
};

}  // namespace xpool::worker
