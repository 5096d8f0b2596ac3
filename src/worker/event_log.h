// The commands of a session whose events the client has, until it is told that they are complete. It is told when it
// asks (Notice::kWant) or waits for a queue, and then of all that is known by then: in a queue that keeps the order, of
// every command up to the one that it asked for.
//
// Thread-safe: who serves a call adds; completions come on the driver's threads, where the driver is called for the
// status of an event only.
#pragma once

#include <CL/cl.h>

#include <cstdint>
#include <deque>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "base/mutex.h"
#include "generated/opencl/dispatch_table.h"
#include "wire/handle.h"
#include "wire_opencl/notices.h"

namespace xpool::worker {

class EventLog {
 public:
  // |api| must outlive this.
  explicit EventLog(const cl::DispatchTable& api) : api_(api) {}

  // The call |sequence| on |queue| made |event|, which is retained until it is told of.
  void Add(wire::WireHandle queue, cl_command_queue driver_queue, uint64_t sequence, cl_event event);

  // What to tell when the command |sequence| of |queue| has ended with |status|, if anything: with |all_before|, or in
  // a queue that keeps the order, everything up to it is known to be complete. Called in driver callbacks.
  wire_cl::Done TakeDone(wire::WireHandle queue, uint64_t sequence, cl_int status, bool all_before);

  // Gives back what was told of. The lane's thread, outside of callbacks: the driver may not be asked to free in one.
  void ReleaseTold();

 private:
  struct Entry {
    uint64_t sequence;
    cl_event event;
  };
  struct QueueLog {
    bool in_order = true;
    std::deque<Entry> entries;
  };
  // A program that never asks has its oldest commands looked after here.
  static constexpr size_t kMostEntries = 8192;

  cl_int StatusOf(cl_event event) const;
  void DropEnded(QueueLog* log) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const cl::DispatchTable& api_;
  Mutex mutex_;
  absl::flat_hash_map<uint64_t, QueueLog> logs_ ABSL_GUARDED_BY(mutex_);  // by the queue's handle
  std::vector<cl_event> told_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace xpool::worker
