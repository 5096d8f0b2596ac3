// Event entry points: user events, waiting, information, callbacks, profiling.
#include "absl/container/inlined_vector.h"
#include "generated/opencl/hooks.h"
#include "opencl/info.h"
#include "shim/opencl/pump.h"
#include "shim/opencl/queue_enqueue.h"

namespace xpool::cl::hook {
namespace {

cl_int CheckEvents(cl_uint count, const cl_event* handles) {
  if (count == 0 || handles == nullptr) return CL_INVALID_VALUE;
  const Event* first = UsableEvent(handles[0]);
  for (cl_uint i = 0; i < count; ++i) {
    const Event* event = UsableEvent(handles[i]);
    if (event == nullptr) return CL_INVALID_EVENT;
    if (event->context.get() != first->context.get()) return CL_INVALID_CONTEXT;
  }
  return CL_SUCCESS;
}

cl_int ExecutionStatus(const Event& event, const InfoOut& out) {
  switch (event.CurrentStage()) {
    case Event::Stage::kQueued:
      return out.Value(cl_int{event.is_user() ? CL_SUBMITTED : CL_QUEUED});
    case Event::Stage::kEnded:
      return out.Value(event.end_status);
    case Event::Stage::kForwarded:
      break;
  }
  return event.api->clGetEventInfo(event.driver, CL_EVENT_COMMAND_EXECUTION_STATUS, out.size(), out.value(),
                                   out.size_ret());
}

}  // namespace

cl_event clCreateUserEvent(cl_context context, cl_int* errcode_ret) {
  Context* in = UsableContext(context);
  if (errcode_ret != nullptr) *errcode_ret = in != nullptr ? CL_SUCCESS : CL_INVALID_CONTEXT;
  return in != nullptr ? ToHandle(new Event(in)) : nullptr;
}

cl_int clSetUserEventStatus(cl_event event, cl_int execution_status) {
  Event* user = UsableEvent(event);
  if (user == nullptr || !user->is_user()) return CL_INVALID_EVENT;
  if (execution_status > CL_COMPLETE) return CL_INVALID_VALUE;
  const Ref<Event> keep(user);  // a callback may release it
  if (!user->End(execution_status)) return CL_INVALID_OPERATION;
  if (user->awaited.load()) CommandsBecameReady();
  return CL_SUCCESS;
}

cl_int clWaitForEvents(cl_uint num_events, const cl_event* event_list) {
  cl_int status = CheckEvents(num_events, event_list);
  if (status != CL_SUCCESS) return status;
  absl::InlinedVector<Ref<Event>, 8> events;
  for (cl_uint i = 0; i < num_events; ++i) events.emplace_back(FromHandle<Event>(event_list[i]));
  absl::InlinedVector<cl_event, 8> drivers;
  for (const Ref<Event>& event : events) {
    if (event->CurrentStage() == Event::Stage::kQueued) event->AwaitForwarded();
    if (event->CurrentStage() == Event::Stage::kForwarded) {
      drivers.push_back(event->driver);
    } else if (event->end_status < 0) {
      status = CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
    }
  }
  if (drivers.empty()) return status;
  const cl_int waited = events[0]->api->clWaitForEvents(static_cast<cl_uint>(drivers.size()), drivers.data());
  if (waited != CL_SUCCESS) return waited;
  for (const Ref<Event>& event : events) {
    const bool forwarded = event->CurrentStage() == Event::Stage::kForwarded;
    if (forwarded && !event->queue->out_of_order()) event->queue->Complete(event->mark);
  }
  return status;
}

cl_int clGetEventInfo(cl_event event_handle, cl_event_info param_name, size_t param_value_size, void* param_value,
                      size_t* param_value_size_ret) {
  const Event* event = UsableEvent(event_handle);
  if (event == nullptr) return CL_INVALID_EVENT;
  const InfoOut out(param_value_size, param_value, param_value_size_ret);
  switch (param_name) {
    case CL_EVENT_COMMAND_QUEUE:
      return out.Value(event->queue ? ToHandle(event->queue.get()) : cl_command_queue{nullptr});
    case CL_EVENT_CONTEXT:
      return out.Value(ToHandle(event->context.get()));
    case CL_EVENT_COMMAND_TYPE:
      return out.Value(event->type);
    case CL_EVENT_COMMAND_EXECUTION_STATUS:
      return ExecutionStatus(*event, out);
    case CL_EVENT_REFERENCE_COUNT:
      return out.Value(static_cast<cl_uint>(event->api_refs.load()));
    default:
      return CL_INVALID_VALUE;
  }
}

cl_int clSetEventCallback(cl_event event_handle, cl_int command_exec_callback_type, EventCallback pfn_notify,
                          void* user_data) {
  Event* event = UsableEvent(event_handle);
  if (event == nullptr) return CL_INVALID_EVENT;
  const bool known = command_exec_callback_type == CL_SUBMITTED || command_exec_callback_type == CL_RUNNING ||
                     command_exec_callback_type == CL_COMPLETE;
  if (pfn_notify == nullptr || !known) return CL_INVALID_VALUE;
  const Ref<Event> keep(event);
  return event->AddCallback(command_exec_callback_type, pfn_notify, user_data);
}

cl_int clGetEventProfilingInfo(cl_event event_handle, cl_profiling_info param_name, size_t param_value_size,
                               void* param_value, size_t* param_value_size_ret) {
  const Event* event = UsableEvent(event_handle);
  if (event == nullptr) return CL_INVALID_EVENT;
  if (event->CurrentStage() != Event::Stage::kForwarded) return CL_PROFILING_INFO_NOT_AVAILABLE;
  const cl_int status = event->api->clGetEventProfilingInfo(event->driver, param_name, param_value_size, param_value,
                                                            param_value_size_ret);
  // Time spent in the software queue counts as queued.
  if (status == CL_SUCCESS && param_name == CL_PROFILING_COMMAND_QUEUED && param_value != nullptr) {
    auto* queued = static_cast<cl_ulong*>(param_value);
    const auto shift = static_cast<cl_ulong>(event->queued_ns);
    *queued = *queued > shift ? *queued - shift : 0;
  }
  return status;
}

}  // namespace xpool::cl::hook
