// Queues, waiting for them, and events.

#include <algorithm>

#include "absl/container/inlined_vector.h"
#include "backend/remote/calls.h"
#include "backend/remote/program_output.h"
#include "base/bytes.h"

namespace xpool::remote {

using wire_cl::CallId;
using wire_cl::Notice;

namespace {

// What transfers under way may need at the other end, or nearly: far less than a worker may have beside its slice
// (gateway/worker_rooms.cc), and enough to keep a connection busy.
constexpr uint64_t kMostTransferBytes = 256 * kMiB;

cl_command_queue_properties FlagsOf(const cl_queue_properties* properties) {
  for (; properties != nullptr && properties[0] != 0; properties += 2) {
    if (properties[0] == CL_QUEUE_PROPERTIES) return properties[1];
  }
  return 0;
}

// Makes a queue by |ask|(link, options).
template <typename AskFor>
cl_command_queue CreateQueueLike(cl_context context, cl_device_id device, cl_command_queue_properties flags,
                                 cl_int* errcode_ret, const AskFor& ask) {
  auto* const queue = new Queue(From<Context>(context), From<Device>(device), flags);
  const cl_int status = MakeOn({&queue->link, 1}, queue, ask);
  LiveArguments::Add(queue);
  return Return<cl_command_queue>(queue, status, errcode_ret);
}

cl_command_queue CL_API_CALL CreateQueueWithProperties(cl_context context, cl_device_id device,
                                                       const cl_queue_properties* properties, cl_int* errcode_ret) {
  const auto ask = [&](ClLink* link, const CallOptions& options) {
    return XPOOL_ASK(link, options, clCreateCommandQueueWithProperties, context, device, properties, nullptr);
  };
  return CreateQueueLike(context, device, FlagsOf(properties), errcode_ret, ask);
}

cl_command_queue CL_API_CALL CreateQueue(cl_context context, cl_device_id device, cl_command_queue_properties flags,
                                         cl_int* errcode_ret) {
  const auto ask = [&](ClLink* link, const CallOptions& options) {
    return XPOOL_ASK(link, options, clCreateCommandQueue, context, device, flags, nullptr);
  };
  return CreateQueueLike(context, device, flags, errcode_ret, ask);
}

cl_int CL_API_CALL RetainQueue(cl_command_queue queue) { return Retain(From<Queue>(queue)); }
cl_int CL_API_CALL ReleaseQueue(cl_command_queue queue) { return Release(From<Queue>(queue)); }

cl_int CL_API_CALL GetQueueInfo(cl_command_queue queue, cl_command_queue_info param, size_t size, void* value,
                                size_t* size_ret) {
  Queue* const own = From<Queue>(queue);
  if (param == CL_QUEUE_PROPERTIES) return InfoOut(size, value, size_ret).Value(own->flags);
  return Remembered(&own->info, InfoKey(CallId::clGetCommandQueueInfo, param), size, value, size_ret,
                    [&](size_t n, void* v, size_t* r) {
                      return XPOOL_ASK(own->link, {}, clGetCommandQueueInfo, queue, param, n, v, r);
                    });
}

cl_int CL_API_CALL SetQueueProperty(cl_command_queue queue, cl_command_queue_properties properties, cl_bool enable,
                                    cl_command_queue_properties* old) {
  Queue* const own = From<Queue>(queue);
  own->info.Forget();
  return XPOOL_ASK(own->link, {}, clSetCommandQueueProperty, queue, properties, enable, old);
}

cl_int CL_API_CALL SetDefaultDeviceQueue(cl_context context, cl_device_id device, cl_command_queue queue) {
  return XPOOL_ASK(From<Device>(device)->link, {}, clSetDefaultDeviceCommandQueue, context, device, queue);
}

// Waits until |event| is complete, and what its command has printed is written. Data that comes by the bulk lane ends
// its event on another thread than the one that reads the call lane.
absl::Status AwaitEvent(const Event& event) {
  Link& link = event.queue->link->link();
  const auto done = [&event] { return event.complete(); };
  const absl::Status waited = event.by_bulk.load() ? link.AwaitOther(done) : link.Await(done);
  ProgramOutput::OfProcess().Flush();
  return waited;
}

cl_int CL_API_CALL Flush(cl_command_queue queue) {
  Queue* const own = From<Queue>(queue);
  CallOptions options;
  options.urgency = Link::Urgency::kNow;
  const absl::StatusOr<uint64_t> sent = XPOOL_SEND(own->link, options, clFlush, queue);
  const cl_int earlier = own->TakeError();
  return earlier != CL_SUCCESS ? earlier : ErrorOf(sent.status());
}

cl_int CL_API_CALL Finish(cl_command_queue queue) {
  Queue* const own = From<Queue>(queue);
  const cl_int status = AwaitAll(own);
  ProgramOutput::OfProcess().Flush();
  const cl_int earlier = own->TakeError();
  return earlier != CL_SUCCESS ? earlier : status;
}

// --- Events ---------------------------------------------------------------------------------------------------------

void Want(Event* event) {
  if (event->complete()) return;
  // The call that brings data asks for it itself, but may still wait for company.
  if (event->brings_data) return event->queue->link->link().Flush();
  if (event->wanted.exchange(true)) return;
  const Queue& queue = *event->queue;
  const wire::WireHandle handle = event->HandleOn(queue.link);
  if (handle.is_null()) return;
  const bool times = (queue.flags & CL_QUEUE_PROFILING_ENABLE) != 0;
  queue.link->Post(Notice::kWant, wire_cl::Want{queue.HandleOn(queue.link), handle, event->sequence, times},
                   Link::Urgency::kNow);
}

// In a queue that keeps the order, the end of the last command says it all.
void WantAll(std::span<Event* const> events) {
  for (Event* const event : events) {
    const bool covered =
        event->queue->in_order() && std::any_of(events.begin(), events.end(), [&](const Event* other) {
          return other->queue.get() == event->queue.get() && other->sequence > event->sequence && !other->brings_data;
        });
    if (!covered) Want(event);
  }
}

cl_int CL_API_CALL WaitForEvents(cl_uint count, const cl_event* handles) {
  absl::InlinedVector<Event*, 8> events;
  for (cl_uint i = 0; i < count; ++i) events.push_back(From<Event>(handles[i]));
  WantAll(events);
  cl_int status = CL_SUCCESS;
  for (Event* const event : events) {
    const absl::Status waited = AwaitEvent(*event);
    if (!event->complete()) return ErrorOf(waited);
    if (event->status.load() < 0) status = CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
  }
  return status;
}

cl_int CL_API_CALL GetEventInfo(cl_event event, cl_event_info param, size_t size, void* value, size_t* size_ret) {
  Event* const own = From<Event>(event);
  if (param != CL_EVENT_COMMAND_EXECUTION_STATUS) return CL_INVALID_VALUE;  // the shim asks for nothing else
  Want(own);  // so that a program that asks again and again is answered one day
  own->Watch();
  return InfoOut(size, value, size_ret).Value(own->status.load(std::memory_order_acquire));
}

cl_int CL_API_CALL SetEventCallback(cl_event event, cl_int when, cl::EventCallback callback, void* user_data) {
  Event* const own = From<Event>(event);
  Want(own);
  own->Watch();
  own->AddCallback(when, callback, user_data);
  return CL_SUCCESS;
}

absl::StatusOr<wire_cl::EventTimes> TimesOf(Event* event) {
  {
    MutexLock lock(&event->mutex);
    if (event->times != nullptr) return *event->times;
  }
  ClLink* const link = event->queue->link;
  const absl::StatusOr<std::vector<std::byte>> answer = link->AskNotice(Notice::kProfile, event->HandleOn(link));
  if (!answer.ok()) return answer.status();
  const absl::StatusOr<wire_cl::EventTimes> times = wire_cl::Read<wire_cl::EventTimes>(*answer);
  if (!times.ok()) return times.status();
  MutexLock lock(&event->mutex);
  event->times = std::make_unique<wire_cl::EventTimes>(*times);
  return times;
}

cl_int CL_API_CALL GetEventProfilingInfo(cl_event event, cl_profiling_info param, size_t size, void* value,
                                         size_t* size_ret) {
  Event* const own = From<Event>(event);
  Want(own);
  own->Watch();
  if (own->status.load() != CL_COMPLETE || own->parts.empty()) return CL_PROFILING_INFO_NOT_AVAILABLE;
  const absl::StatusOr<wire_cl::EventTimes> times = TimesOf(own);
  if (!times.ok()) return ErrorOf(times.status());
  if (times->status != CL_SUCCESS) return times->status;
  const InfoOut out(size, value, size_ret);
  switch (param) {
    case CL_PROFILING_COMMAND_QUEUED:
      return out.Value(cl_ulong{times->queued});
    case CL_PROFILING_COMMAND_SUBMIT:
      return out.Value(cl_ulong{times->submit});
    case CL_PROFILING_COMMAND_START:
      return out.Value(cl_ulong{times->start});
    case CL_PROFILING_COMMAND_END:
      return out.Value(cl_ulong{times->end});
    case CL_PROFILING_COMMAND_COMPLETE:
      return out.Value(cl_ulong{times->complete});
    default:
      return CL_INVALID_VALUE;
  }
}

cl_int CL_API_CALL RetainEvent(cl_event event) { return Retain(From<Event>(event)); }
cl_int CL_API_CALL ReleaseEvent(cl_event event) { return Release(From<Event>(event)); }

}  // namespace

cl_int AwaitAll(Queue* queue) {
  const uint64_t transfer_bytes = queue->transfer_bytes.load();
  const cl_int status = XPOOL_ASK(queue->link, {}, clFinish, To<cl_command_queue>(queue));
  if (status != CL_SUCCESS) return status;
  for (const Ref<Event>& event : queue->AwaitingData()) AwaitEvent(*event).IgnoreError();
  queue->transfer_bytes -= transfer_bytes;
  return CL_SUCCESS;
}

void AwaitRoomForTransfer(Queue* queue) {
  if (queue->transfer_bytes.load(std::memory_order_relaxed) <= kMostTransferBytes) return;
  if (const cl_int status = AwaitAll(queue); status != CL_SUCCESS) queue->SetError(status);
}

void FillQueueCalls(cl::DispatchTable* table) {
  table->clCreateCommandQueueWithProperties = &CreateQueueWithProperties;
  table->clCreateCommandQueue = &CreateQueue;
  table->clRetainCommandQueue = &RetainQueue;
  table->clReleaseCommandQueue = &ReleaseQueue;
  table->clGetCommandQueueInfo = &GetQueueInfo;
  table->clSetCommandQueueProperty = &SetQueueProperty;
  table->clSetDefaultDeviceCommandQueue = &SetDefaultDeviceQueue;
  table->clFlush = &Flush;
  table->clFinish = &Finish;
  table->clWaitForEvents = &WaitForEvents;
  table->clGetEventInfo = &GetEventInfo;
  table->clSetEventCallback = &SetEventCallback;
  table->clGetEventProfilingInfo = &GetEventProfilingInfo;
  table->clRetainEvent = &RetainEvent;
  table->clReleaseEvent = &ReleaseEvent;
}

}  // namespace xpool::remote
