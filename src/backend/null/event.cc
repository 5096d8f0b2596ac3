// Events of the null driver: queries, waits, user events, callbacks.
#include "backend/null/engine.h"
#include "opencl/info.h"

namespace xpool::null_cl::impl {

cl_int clWaitForEvents(cl_uint num_events, const cl_event* event_list) {
  const Context* context = As<Event>(event_list[0])->context.get();
  for (cl_uint i = 1; i < num_events; ++i) {
    if (As<Event>(event_list[i])->context.get() != context) return CL_INVALID_CONTEXT;
  }
  cl_int result = CL_SUCCESS;
  for (cl_uint i = 0; i < num_events; ++i) {
    Event* event = As<Event>(event_list[i]);
    Engine::Get().AwaitEvent(event);
    if (event->status < 0) result = CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
  }
  return result;
}

cl_int clGetEventInfo(cl_event handle, cl_event_info param_name, size_t param_value_size, void* param_value,
                      size_t* param_value_size_ret) {
  const Event& event = *As<Event>(handle);
  const InfoOut reply(param_value_size, param_value, param_value_size_ret);
  switch (param_name) {
    case CL_EVENT_COMMAND_QUEUE:
      return reply.Value(ToHandle(event.queue.get()));
    case CL_EVENT_CONTEXT:
      return reply.Value(ToHandle(event.context.get()));
    case CL_EVENT_COMMAND_TYPE:
      return reply.Value(event.type);
    case CL_EVENT_COMMAND_EXECUTION_STATUS:
      return reply.Value(cl_int{event.status});
    case CL_EVENT_REFERENCE_COUNT:
      return reply.Value(cl_uint{event.api_refs});
  }
  return CL_INVALID_VALUE;
}

cl_int clGetEventProfilingInfo(cl_event handle, cl_profiling_info param_name, size_t param_value_size,
                               void* param_value, size_t* param_value_size_ret) {
  const Event& event = *As<Event>(handle);
  const bool profiled = event.queue && (event.queue->properties & CL_QUEUE_PROFILING_ENABLE) != 0;
  if (!profiled || event.status != CL_COMPLETE) return CL_PROFILING_INFO_NOT_AVAILABLE;
  if (param_name < CL_PROFILING_COMMAND_QUEUED || param_name > CL_PROFILING_COMMAND_COMPLETE) return CL_INVALID_VALUE;
  const cl_uint index = std::min<cl_uint>(param_name - CL_PROFILING_COMMAND_QUEUED, 3);
  const InfoOut reply(param_value_size, param_value, param_value_size_ret);
  return reply.Value(static_cast<cl_ulong>(event.times_ns[index]));
}

cl_event clCreateUserEvent(cl_context context, cl_int* errcode_ret) {
  return Succeed(errcode_ret, new Event(As<Context>(context), nullptr, CL_COMMAND_USER, CL_SUBMITTED));
}

cl_int clSetUserEventStatus(cl_event event, cl_int execution_status) {
  Event* user = As<Event>(event);
  if (user->type != CL_COMMAND_USER) return CL_INVALID_EVENT;
  if (execution_status > CL_COMPLETE) return CL_INVALID_VALUE;
  return Engine::Get().EndUserEvent(user, execution_status) ? CL_SUCCESS : CL_INVALID_OPERATION;
}

cl_int clSetEventCallback(cl_event event, cl_int command_exec_callback_type, EventCallback pfn_notify,
                          void* user_data) {
  if (command_exec_callback_type < CL_COMPLETE || command_exec_callback_type > CL_SUBMITTED) return CL_INVALID_VALUE;
  Engine::Get().AddCallback(As<Event>(event), {command_exec_callback_type, pfn_notify, user_data});
  return CL_SUCCESS;
}

}  // namespace xpool::null_cl::impl
