// The last command of each queue, kept for clients that finish their queues often: finishing then waits for that
// command instead of for a marker behind it, which the driver would have to schedule first. Commands of long rows get
// no event of ours; a marker costs less than they would.
//
// Not thread-safe: for who serves a call, under the session's lock.
#pragma once

#include <CL/cl.h>

#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "generated/opencl/dispatch_table.h"
#include "wire/handle.h"

namespace xpool::worker {

class QueueTails {
 public:
  explicit QueueTails(const cl::DispatchTable& api) : api_(api) {}

  // Whether the next command on |queue| shall have an event.
  bool Wants(wire::WireHandle queue) const;
  // A call was served that may have been a command on |queue|; |event| is its event, taken over, or nullptr.
  void Served(wire::WireHandle queue, cl_event event);
  // The client waits for |queue|: the event that ends with its last command, the caller's; nullptr when that is not
  // known.
  cl_event Finish(wire::WireHandle queue, cl_command_queue driver_queue);
  // The client has released |queue|.
  void Forget(wire::WireHandle queue);

 private:
  static constexpr uint32_t kMostCommands = 8;

  struct Tail {
    cl_event last = nullptr;
    uint32_t commands = 0;  // since it was finished
  };

  const cl::DispatchTable& api_;
  absl::flat_hash_map<uint64_t, Tail> tails_;  // by handle; of queues that keep the order and were finished once
};

}  // namespace xpool::worker
