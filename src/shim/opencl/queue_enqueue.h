// The way of every enqueue call: straight to the driver where that is possible, else into the software queue.
//
// A hook checks its handles and calls Enqueue() with three lambdas:
//   call(api, driver_queue, num_events, events, event)  calls the driver with the caller's own arguments, handles
//   translated; check()  validates all arguments as the driver would; record(ForwardFn*)  copies what the command
//   needs.
// On the direct path (software queue empty, token free, everything waited for already forwarded, gate open) only |call|
// runs: no allocation unless the program wants an event, no lock, no clock. In front of a driver that does not wait to
// find out what is wrong with a call (the remote client), |check| runs there too.
//
// A blocking call is forwarded as a non-blocking one and waited for without the token.
#pragma once

#include <memory>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "shim/opencl/event.h"
#include "shim/opencl/memory.h"
#include "shim/opencl/queue.h"

namespace xpool::cl {

// What all enqueue calls have in common.
struct EnqueueArgs {
  cl_command_type type = 0;
  cl_uint num_events = 0;
  const cl_event* wait_list = nullptr;
  cl_event* event = nullptr;
  Work work;
  bool blocking = false;
  // Blocking, and over as soon as the driver has taken it: what a write may be where the driver has the bytes then.
  bool taken = false;
  Ordering ordering;
};

// The queue behind |handle| if it can be used in this process, else nullptr (then CL_INVALID_COMMAND_QUEUE).
inline Queue* UsableQueue(cl_command_queue handle) {
  Queue* queue = FromHandle<Queue>(handle);
  return queue != nullptr && OfThisProcess(*queue) ? queue : nullptr;
}

// The same for an event.
inline Event* UsableEvent(cl_event handle) {
  Event* event = FromHandle<Event>(handle);
  return event != nullptr && OfThisProcess(*event) ? event : nullptr;
}

// The same for a memory object, which must belong to the queue's context; the error goes to |status|.
inline Mem* UsableMem(const Queue& queue, cl_mem handle, cl_int* status) {
  Mem* mem = FromHandle<Mem>(handle);
  if (mem == nullptr || !OfThisProcess(*mem)) {
    *status = CL_INVALID_MEM_OBJECT;
    return nullptr;
  }
  if (mem->context.get() != queue.context.get()) {
    *status = CL_INVALID_CONTEXT;
    return nullptr;
  }
  return mem;
}

// ... and must be a buffer, or an image.
inline Mem* UsableBuffer(const Queue& queue, cl_mem handle, cl_int* status) {
  Mem* mem = UsableMem(queue, handle, status);
  if (mem == nullptr || mem->type == CL_MEM_OBJECT_BUFFER) return mem;
  *status = CL_INVALID_MEM_OBJECT;
  return nullptr;
}
inline Mem* UsableImage(const Queue& queue, cl_mem handle, cl_int* status) {
  Mem* mem = UsableMem(queue, handle, status);
  if (mem == nullptr || mem->is_image()) return mem;
  *status = CL_INVALID_MEM_OBJECT;
  return nullptr;
}

// A program's wait list as the driver's: what is complete is left out.
class WaitList {
 public:
  // CL_INVALID_EVENT_WAIT_LIST or CL_INVALID_CONTEXT when the list is wrong.
  cl_int Translate(const Queue& queue, cl_uint count, const cl_event* events);

  // False when an event is not forwarded yet, or has failed.
  bool forwardable() const { return forwardable_; }
  cl_uint size() const { return static_cast<cl_uint>(events_.size()); }
  const cl_event* data() const { return events_.empty() ? nullptr : events_.data(); }

 private:
  absl::InlinedVector<cl_event, 16> events_;
  bool forwardable_ = true;
};

// Waits for a command that was forwarded as |forwarded|; releases its event unless the program has it.
cl_int AwaitDirect(Queue& queue, const Queue::Forwarded& forwarded, bool keep_event);

// Appends |forward| as a recorded command, and waits for it if it is a blocking one.
cl_int EnqueueRecorded(Queue& queue, const EnqueueArgs& args, ForwardFn forward);

template <typename Call>
cl_int EnqueueDirect(Queue& queue, const EnqueueArgs& args, LeaseGate::Verdict verdict, const Estimate& estimate,
                     const WaitList& waits, const Call& call) {
  const bool wait = args.blocking && !args.taken;
  const bool want_event = args.event != nullptr || wait;
  const Queue::Forwarded forwarded = queue.ForwardAdmitted(
      verdict, args.work, estimate, want_event,
      [&](cl_event* driver_event) { return call(*queue.api, queue.driver, waits.size(), waits.data(), driver_event); });
  queue.Leave();
  if (forwarded.status != CL_SUCCESS || !want_event) return forwarded.status;
  if (args.event != nullptr) {
    *args.event = ToHandle(new Event(&queue, args.type, forwarded.driver_event, forwarded.mark));
  }
  return wait ? AwaitDirect(queue, forwarded, args.event != nullptr) : CL_SUCCESS;
}

template <typename Call, typename Check, typename Record>
cl_int Enqueue(Queue& queue, const EnqueueArgs& args, const Call& call, const Check& check, const Record& record) {
  WaitList waits;
  if (args.num_events != 0 || args.wait_list != nullptr) {
    const cl_int status = waits.Translate(queue, args.num_events, args.wait_list);
    if (status != CL_SUCCESS) return status;
  }
  if (queue.remote()) {
    const cl_int invalid = check();
    if (invalid != CL_SUCCESS) return invalid;
  }
  if (waits.forwardable() && queue.TryEnterIdle()) {
    const Estimate estimate = queue.Expect(args.work);
    const LeaseGate::Verdict verdict = queue.gate.Admit(estimate.ns);
    if (verdict != LeaseGate::Verdict::kWait) return EnqueueDirect(queue, args, verdict, estimate, waits, call);
    queue.Leave();
  }
  if (!queue.remote()) {
    const cl_int invalid = check();
    if (invalid != CL_SUCCESS) return invalid;
  }
  ForwardFn forward;
  const cl_int status = record(&forward);
  return status == CL_SUCCESS ? EnqueueRecorded(queue, args, std::move(forward)) : status;
}

// For |check| where there is nothing to find out.
inline cl_int NothingToCheck() { return CL_SUCCESS; }

}  // namespace xpool::cl
