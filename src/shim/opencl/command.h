// A recorded command: everything a later driver call needs, owned. Made by the enqueue hooks when a command cannot go
// to the driver at once; held by one queue's software queue until it is forwarded or has failed. Immutable meanwhile.
#pragma once

#include <CL/cl.h>

#include <cstdint>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "shim/opencl/command_order.h"
#include "shim/opencl/event.h"
#include "shim/opencl/live.h"

namespace xpool::cl {

// What is known about how long a command will take: the key under which its duration is learned, and what is assumed
// until it has been.
struct Work {
  uint64_t key = 0;        // 0: not worth learning
  int64_t assumed_ns = 0;  // until measured
  bool measure = false;    // observe it until its duration is known
};

// Hands the command to the driver's queue: (queue, wait list, event). Owns (by references) all that it uses.
using ForwardFn = absl::AnyInvocable<cl_int(cl_command_queue, cl_uint, const cl_event*, cl_event*)>;

struct Command {
  Ref<LiveObject> queue;  // stays until its last command has gone
  ForwardFn forward;
  std::vector<Ref<Event>> wait_list;
  Ref<Event> event;  // empty when nobody asked for one
  cl_command_type type = 0;
  Ordering ordering;
  Work work;
  uint64_t index = 0;       // position in the queue's order of recording
  int64_t recorded_ns = 0;  // when it entered the software queue
};

enum class Readiness { kNotYet, kReady, kFailed };

// For a command of |queue|. kReady: all events waited for are forwarded or complete; kFailed: one of them has ended
// negative.
Readiness ReadinessOf(const Queue& queue, const std::vector<Ref<Event>>& wait_list);

}  // namespace xpool::cl
