#include "shim/opencl/queue_enqueue.h"

#include "shim/opencl/pump.h"

namespace xpool::cl {

cl_int WaitList::Translate(const Queue& queue, cl_uint count, const cl_event* events) {
  if ((count == 0) != (events == nullptr)) return CL_INVALID_EVENT_WAIT_LIST;
  for (cl_uint i = 0; i < count; ++i) {
    const Event* event = UsableEvent(events[i]);
    if (event == nullptr) return CL_INVALID_EVENT_WAIT_LIST;
    if (event->context.get() != queue.context.get()) return CL_INVALID_CONTEXT;
    const Event::Outlook outlook = event->OutlookFor(queue);
    switch (outlook.stage) {
      case Event::Stage::kForwarded:
        events_.push_back(event->driver);
        break;
      case Event::Stage::kQueued:
        forwardable_ = false;
        break;
      case Event::Stage::kEnded:
        if (outlook.end_status < 0) forwardable_ = false;
        break;
    }
  }
  return CL_SUCCESS;
}

cl_int AwaitDirect(Queue& queue, const Queue::Forwarded& forwarded, bool keep_event) {
  const cl_int status = queue.api->clWaitForEvents(1, &forwarded.driver_event);
  if (!queue.out_of_order()) queue.Complete(forwarded.mark);
  if (!keep_event) queue.api->clReleaseEvent(forwarded.driver_event);
  return status;
}

namespace {

void CL_CALLBACK EndedElsewhere(cl_event, cl_int, void*) { CommandsBecameReady(); }

// A blocking call's wait: for the lease and what comes before, then for the driver.
cl_int AwaitRecorded(Queue& queue, Event& event) {
  event.AwaitForwarded();
  if (event.CurrentStage() == Event::Stage::kEnded) return event.end_status;
  const cl_int status = queue.api->clWaitForEvents(1, &event.driver);
  if (!queue.out_of_order()) queue.Complete(event.mark);
  return status;
}

}  // namespace

cl_int EnqueueRecorded(Queue& queue, const EnqueueArgs& args, ForwardFn forward) {
  auto command = std::make_unique<Command>();
  command->queue = Ref<LiveObject>(&queue);
  command->forward = std::move(forward);
  command->type = args.type;
  command->ordering = args.ordering;
  command->work = args.work;
  for (cl_uint i = 0; i < args.num_events; ++i) {
    Event* event = FromHandle<Event>(args.wait_list[i]);
    command->wait_list.emplace_back(event);
    event->awaited.store(true);  // before its stage is looked at again, so that somebody pumps
    if (!event->IsElsewhere(queue)) continue;
    const cl_int status = event->AddCallback(CL_COMPLETE, &EndedElsewhere, nullptr);
    if (status != CL_SUCCESS) return status;
  }
  Ref<Event> event;
  if (args.event != nullptr || args.blocking) {
    event = Ref<Event>::Adopt(new Event(&queue, args.type));
    command->event = event;
  }
  const cl_int status = queue.Append(std::move(command));
  if (status != CL_SUCCESS) return status;
  cl_int result = CL_SUCCESS;
  if (args.blocking) result = AwaitRecorded(queue, *event);
  // The program's own reference: what Adopt() took over becomes the API references'.
  if (args.event != nullptr) {
    event->refs.fetch_add(1, std::memory_order_relaxed);
    *args.event = ToHandle(event.get());
  }
  return result;
}

}  // namespace xpool::cl
