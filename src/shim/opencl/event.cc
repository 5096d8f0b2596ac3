#include "shim/opencl/event.h"

#include <utility>

#include "generated/opencl/dispatch_table.h"
#include "shim/opencl/pump.h"
#include "shim/opencl/queue.h"
#include "shim/opencl/ticket.h"

namespace xpool::cl {
namespace {

thread_local bool in_driver_callback = false;

// One registration handed to the driver: brings our own handle to the program's callback.
struct Recipient {
  Event* event;  // referenced
  Event::Callback callback;
  void* user_data;
};

void CL_CALLBACK CallProgram(cl_event, cl_int status, void* data) {
  const auto to = RedeemTicket<Recipient>(data);
  DriverCallbackScope scope;
  to.callback(ToHandle(to.event), status, to.user_data);
  UnrefInCallback(to.event);
}

}  // namespace

bool InDriverCallback() { return in_driver_callback; }
DriverCallbackScope::DriverCallbackScope() : outer_(std::exchange(in_driver_callback, true)) {}
DriverCallbackScope::~DriverCallbackScope() { in_driver_callback = outer_; }

Event::Event(Context* context)
    : Object(kKind), context(context), api(context->api), type(CL_COMMAND_USER), stage(Stage::kQueued) {}

Event::Event(Queue* queue, cl_command_type type)
    : Object(kKind), context(queue->context), queue(queue), api(queue->api), type(type), stage(Stage::kQueued) {}

Event::Event(Queue* queue, cl_command_type type, cl_event driver_event, const Mark& mark)
    : Object(kKind),
      context(queue->context),
      queue(queue),
      api(queue->api),
      type(type),
      stage(Stage::kForwarded),
      driver(driver_event),
      mark(mark) {}

Event::~Event() {
  if (driver != nullptr && OfThisProcess(*this)) api->clReleaseEvent(driver);
}

void Event::BecomeForwarded(cl_event driver_event, const Mark& end, int64_t time_in_queue_ns) {
  std::vector<Registered> callbacks;
  {
    MutexLock lock(&mutex_);
    driver = driver_event;
    mark = end;
    queued_ns = time_in_queue_ns;
    stage.store(Stage::kForwarded);
    callbacks.swap(callbacks_);
    changed_.SignalAll();
  }
  for (const Registered& registered : callbacks) AttachToDriver(registered);
}

bool Event::End(cl_int status) {
  std::vector<Registered> callbacks;
  {
    MutexLock lock(&mutex_);
    if (stage.load(std::memory_order_relaxed) != Stage::kQueued) return false;
    end_status = status;
    stage.store(Stage::kEnded);
    callbacks.swap(callbacks_);
    changed_.SignalAll();
  }
  for (const Registered& registered : callbacks) {
    registered.callback(ToHandle(this), status < 0 ? status : registered.status, registered.user_data);
  }
  return true;
}

cl_int Event::AddCallback(cl_int status, Callback callback, void* user_data) {
  const Registered registered{status, callback, user_data};
  Stage now;
  {
    MutexLock lock(&mutex_);
    now = stage.load(std::memory_order_relaxed);
    const bool passed = is_user() && status == CL_SUBMITTED;  // a user event is born submitted
    if (now == Stage::kQueued && !passed) {
      callbacks_.push_back(registered);
      return CL_SUCCESS;
    }
  }
  if (now == Stage::kForwarded) return AttachToDriver(registered);
  callback(ToHandle(this), now == Stage::kEnded && end_status < 0 ? end_status : status, user_data);
  return CL_SUCCESS;
}

bool Event::IsElsewhere(const Queue& waiting) const { return queue && queue->session != waiting.session; }

Event::Outlook Event::OutlookFor(const Queue& waiting) const {
  const Stage now = CurrentStage();
  if (now == Stage::kEnded) return {now, end_status};  // written before, and not any more
  if (now == Stage::kQueued || !IsElsewhere(waiting)) return {now, CL_QUEUED};
  cl_int status = CL_QUEUED;
  const cl_int asked = api->clGetEventInfo(driver, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof(status), &status, nullptr);
  if (asked != CL_SUCCESS) return {Stage::kEnded, asked};
  return {status <= CL_COMPLETE ? Stage::kEnded : Stage::kQueued, status};
}

void Event::AwaitForwarded() {
  MutexLock lock(&mutex_);
  while (stage.load(std::memory_order_relaxed) == Stage::kQueued) changed_.Wait(&mutex_);
}

cl_int Event::AttachToDriver(const Registered& registered) {
  refs.fetch_add(1, std::memory_order_relaxed);  // the ticket's
  auto ticket = IssueTicket(Recipient{this, registered.callback, registered.user_data});
  const cl_int status = api->clSetEventCallback(driver, registered.status, &CallProgram, ticket.get());
  if (status != CL_SUCCESS) {
    UnrefInCallback(this);
    return status;
  }
  static_cast<void>(ticket.release());  // CallProgram redeems it
  return CL_SUCCESS;
}

}  // namespace xpool::cl
