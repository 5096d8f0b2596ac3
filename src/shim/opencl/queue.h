// A command queue: the driver's queue, and before it a software queue of recorded commands.
//
// Whoever holds the *forwarding token* may call the driver for this queue; nobody waits while holding it, and no lock
// is held during a driver call. The launch path takes the token when the software queue is empty, and calls the driver
// straight from the caller's arguments (Enqueue() in queue_enqueue.h). Everything else is recorded, appended, and
// forwarded by Drain(): by the thread that appended, by a holder of the token that was asked to look again, or by the
// pump (pump.h).
//
// Completion is observed in batches (command_batch.h). Thread-safe; what only the token's holder touches says so.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/inlined_vector.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "generated/opencl/dispatch_table.h"
#include "shim/opencl/command.h"
#include "shim/opencl/command_batch.h"
#include "shim/opencl/context.h"
#include "shim/opencl/device.h"
#include "shim/opencl/live.h"
#include "shim/opencl/validate_limits.h"
#include "slice/duration_model.h"
#include "slice/lease_gate.h"

namespace xpool::cl {

// How long a command will take, and whether that rests on a measurement.
struct Estimate {
  int64_t ns = 0;
  bool measured = false;
};

Estimate EstimateOf(const Work& work);

// The process's measured durations.
DurationModel& Durations();

struct Queue : LiveObject {
  static constexpr ::xpool::cl::Kind kKind = ::xpool::cl::Kind::kQueue;
  using Handle = cl_command_queue;
  static constexpr cl_int kInvalid = CL_INVALID_COMMAND_QUEUE;

  // What a software queue may hold while its commands wait for a lease, and in any case.
  static constexpr size_t kRoom = 65'536;
  static constexpr size_t kMostCommands = 1'048'576;

  Queue(Context* context, Device* device, cl_command_queue driver, cl_command_queue_properties flags,
        std::vector<cl_queue_properties> properties, SliceSession* session);
  ~Queue();

  bool out_of_order() const { return (flags & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE) != 0; }

  // The driver is the remote client. It answers before it knows what becomes of a command, so that all that can be
  // found wrong with one must be found before; and what a command costs is measured where it runs.
  bool remote() const { return device->remote_slice != nullptr; }

  // A blocking write may end when the remote driver has taken the bytes: nothing of the program's can come before it at
  // the worker. Another queue's commands could, and then it ends when it is done, as programs are used to.
  bool takes_writes() const {
    return remote() && !out_of_order() && context->queues.load(std::memory_order_relaxed) == 1;
  }

  // What |work| will take, as far as that matters here.
  Estimate Expect(const Work& work) const { return remote() ? Estimate{0, true} : EstimateOf(work); }

  // Takes the token if it is free and the software queue is empty: the launch path.
  bool TryEnterIdle() {
    uint32_t idle = 0;
    return state_.compare_exchange_strong(idle, kToken, std::memory_order_acquire);
  }

  // Gives the token of TryEnterIdle() back; drains when somebody appended meanwhile.
  void Leave() {
    uint32_t held = kToken;
    if (!state_.compare_exchange_strong(held, 0, std::memory_order_release)) LeaveAndDrain();
  }

  struct Forwarded {
    cl_int status = CL_SUCCESS;
    cl_event driver_event = nullptr;  // if it was wanted
    Mark mark;
  };

  // Calls the driver for a command that the gate has admitted: |call|(cl_event*) with NULL when no event is needed.
  // REQUIRES: the token is held.
  template <typename Call>
  Forwarded ForwardAdmitted(LeaseGate::Verdict verdict, const Work& work, const Estimate& estimate, bool want_event,
                            const Call& call) {
    const bool observe = verdict == LeaseGate::Verdict::kForwardTracked || (work.measure && !estimate.measured);
    if (observe) return ForwardObserved(work, estimate, want_event, call);
    Forwarded result;
    result.status = call(want_event ? &result.driver_event : nullptr);
    if (result.status != CL_SUCCESS) {
      Refused(estimate.ns);
    } else {
      result.mark = tracker_.Forwarded(estimate.ns);
    }
    return result;
  }

  // Appends a recorded command and forwards what may go. Waits for room while the queue is full and a lease is to come.
  // CL_OUT_OF_HOST_MEMORY when it is full of commands that wait for something else, CL_OUT_OF_RESOURCES when the slice
  // is gone.
  cl_int Append(std::unique_ptr<Command> command);

  // Forwards ready commands while the gate admits them. |observe|: completion of all that was forwarded must be
  // learned.
  void Drain(bool observe = false);

  // Waits until all commands recorded so far have been forwarded (or have failed).
  void AwaitForwarded();

  // Everything up to |mark| is known complete.
  void Complete(const Mark& mark);

  // The mark behind all that has been forwarded.
  Mark LastForwarded() const { return tracker_.Last(); }

  // The error of a recorded command that the driver refused and that had no event to carry it; at most once.
  cl_int TakeError() { return error_.exchange(CL_SUCCESS); }

  const Ref<Context> context;
  const Ref<Device> device;
  const DispatchTable* const api;
  const cl_command_queue driver;
  const cl_command_queue_properties flags;
  const std::vector<cl_queue_properties> properties;  // as the program gave them, with the final zero
  const DeviceLimits limits;
  SliceSession* const session;
  LeaseGate& gate;

 private:
  struct Observation;

  static constexpr uint32_t kToken = 1;    // somebody forwards
  static constexpr uint32_t kAgain = 2;    // ... and must look again before leaving
  static constexpr uint32_t kPending = 4;  // the software queue is not empty

  static void CL_CALLBACK OnObserved(cl_event, cl_int status, void* data);

  template <typename Call>
  Forwarded ForwardObserved(const Work& work, const Estimate& estimate, bool want_event, const Call& call) {
    Forwarded result;
    const int64_t now = MonotonicNowNs();
    result.status = call(&result.driver_event);
    if (result.status != CL_SUCCESS) {
      Refused(estimate.ns);
      return result;
    }
    result.mark = tracker_.Forwarded(estimate.ns);
    Observe(result.driver_event, {observed_, result.mark, estimate.ns, now, estimate.measured}, work.key);
    if (!want_event) {
      api->clReleaseEvent(result.driver_event);
      result.driver_event = nullptr;
    }
    return result;
  }

  bool TryEnter();
  bool LeaveOrAgain();
  void LeaveAndDrain();
  bool ForwardReady();
  cl_int ForwardCommand(Command& command, LeaseGate::Verdict verdict, const Estimate& estimate);
  Command* NextReady(size_t* at);
  void Remove(size_t at);
  bool SetReadyWaiting(bool waiting);
  void Refused(int64_t estimate_ns);
  void Observe(cl_event driver_event, const BatchEnd& batch, uint64_t key);
  void ObserveBy(cl_event covering_event, const BatchEnd& batch, uint64_t key);
  void ObserveRest();
  cl_event PutMarker();
  void LeaveCompletionBehind();

  std::atomic<uint32_t> state_{0};
  std::atomic<cl_int> error_{CL_SUCCESS};
  BatchTracker tracker_;
  Mark observed_;  // token's holder only: the last mark whose completion is observed

  Mutex mutex_;
  CondVar changed_;
  std::deque<std::unique_ptr<Command>> commands_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_index_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ready_waiting_ ABSL_GUARDED_BY(mutex_) = false;
  DurationMeter meter_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace xpool::cl
