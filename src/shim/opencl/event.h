// Events: user events, which are purely ours, and the events of commands, which have a driver event inside from the
// moment their command is forwarded.
//
//   kQueued     the command waits in a software queue (or the user event is not complete)
//   kForwarded  |driver| is set and never changes again; the driver's event knows the rest
//   kEnded      there is no driver event; |end_status| is CL_COMPLETE or negative
// A stage only moves from kQueued to one of the others. Thread-safe; no lock is held during a callback or a driver
// call.
#pragma once

#include <CL/cl.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "shim/opencl/command_batch.h"
#include "shim/opencl/context.h"
#include "shim/opencl/object.h"

namespace xpool::cl {

struct Queue;

struct Event : Object {
  static constexpr Kind kKind = Kind::kEvent;
  using Handle = cl_event;
  static constexpr cl_int kInvalid = CL_INVALID_EVENT;
  using Callback = void(CL_CALLBACK*)(cl_event, cl_int, void*);
  enum class Stage : uint32_t { kQueued, kForwarded, kEnded };

  explicit Event(Context* context);                                                    // a user event
  Event(Queue* queue, cl_command_type type);                                           // of a recorded command
  Event(Queue* queue, cl_command_type type, cl_event driver_event, const Mark& mark);  // of a command forwarded at once
  ~Event();

  bool is_user() const { return type == CL_COMMAND_USER; }
  Stage CurrentStage() const { return stage.load(std::memory_order_acquire); }

  // What this means to a command of |waiting| that waits for it. Where the two are on different nodes, neither's driver
  // queue can wait for the other's events: there kForwarded is kQueued until it is complete, and then kEnded.
  struct Outlook {
    Stage stage;
    cl_int end_status;  // with kEnded
  };
  Outlook OutlookFor(const Queue& waiting) const;
  bool IsElsewhere(const Queue& waiting) const;

  // The command went to the driver: takes over |driver_event| and hands the callbacks registered so far to it.
  void BecomeForwarded(cl_event driver_event, const Mark& end, int64_t time_in_queue_ns);

  // The command (or user event) ended without the driver: CL_COMPLETE or negative. False when it had ended before.
  // Calls the callbacks.
  bool End(cl_int status);

  // Registers |callback| for |status| (CL_SUBMITTED, CL_RUNNING or CL_COMPLETE), or calls it when that has passed.
  cl_int AddCallback(cl_int status, Callback callback, void* user_data);

  // Waits until the stage is not kQueued.
  void AwaitForwarded();

  const Ref<Context> context;
  const Ref<Queue> queue;  // empty for a user event
  const DispatchTable* const api;
  const cl_command_type type;

  std::atomic<Stage> stage;
  std::atomic<bool> awaited{false};  // a recorded command waits for this one: pump when the stage changes
  cl_event driver = nullptr;         // with kForwarded
  cl_int end_status = CL_QUEUED;     // with kEnded
  Mark mark;                         // with kForwarded: its place in the queue
  int64_t queued_ns = 0;             // time spent in the software queue

 private:
  struct Registered {
    cl_int status;
    Callback callback;
    void* user_data;
  };

  cl_int AttachToDriver(const Registered& registered);

  Mutex mutex_;
  CondVar changed_;
  std::vector<Registered> callbacks_ ABSL_GUARDED_BY(mutex_);
};

// True while this thread runs a callback of the driver: then nothing may be waited for or destroyed.
bool InDriverCallback();

// Marks the thread as running a driver's callback for as long as it lives.
class DriverCallbackScope {
 public:
  DriverCallbackScope();
  ~DriverCallbackScope();

 private:
  const bool outer_;
};

}  // namespace xpool::cl
