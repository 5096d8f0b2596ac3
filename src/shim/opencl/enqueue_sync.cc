// Entry points for markers, barriers and migration.
#include <vector>

#include "generated/opencl/hooks.h"
#include "shim/opencl/command_work.h"
#include "shim/opencl/queue_enqueue.h"
#include "shim/opencl/validate_buffer.h"

namespace xpool::cl::hook {
namespace {

// |call| needs nothing but what every enqueue call gets, so it serves both ways.
template <typename Call>
cl_int EnqueueSync(Queue& queue, const EnqueueArgs& args, const Call& call) {
  return Enqueue(queue, args, call, &NothingToCheck, [&](ForwardFn* forward) {
    *forward = [call, api = queue.api](auto... rest) { return call(*api, rest...); };
    return cl_int{CL_SUCCESS};
  });
}

cl_int DriverMarker(const DispatchTable& api, cl_command_queue on, cl_uint count, const cl_event* events,
                    cl_event* done) {
  const cl_int status = api.clEnqueueMarkerWithWaitList(on, count, events, done);
  if (status != CL_INVALID_OPERATION || count != 0 || done == nullptr) return status;
  return api.clEnqueueMarker(on, done);  // a driver of OpenCL 1.1
}

cl_int DriverBarrier(const DispatchTable& api, cl_command_queue on, cl_uint count, const cl_event* events,
                     cl_event* done) {
  const cl_int status = api.clEnqueueBarrierWithWaitList(on, count, events, done);
  if (status != CL_INVALID_OPERATION || done != nullptr) return status;
  return count == 0 ? api.clEnqueueBarrier(on) : api.clEnqueueWaitForEvents(on, count, events);
}

}  // namespace

cl_int clEnqueueMarkerWithWaitList(cl_command_queue command_queue, cl_uint num_events_in_wait_list,
                                   const cl_event* event_wait_list, cl_event* event) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  const EnqueueArgs args{.type = CL_COMMAND_MARKER,
                         .num_events = num_events_in_wait_list,
                         .wait_list = event_wait_list,
                         .event = event,
                         .work = SyncWork(),
                         .ordering = {.after_all_earlier = num_events_in_wait_list == 0}};
  return EnqueueSync(*queue, args, &DriverMarker);
}

cl_int clEnqueueBarrierWithWaitList(cl_command_queue command_queue, cl_uint num_events_in_wait_list,
                                    const cl_event* event_wait_list, cl_event* event) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  const EnqueueArgs args{.type = CL_COMMAND_BARRIER,
                         .num_events = num_events_in_wait_list,
                         .wait_list = event_wait_list,
                         .event = event,
                         .work = SyncWork(),
                         .ordering = {.after_all_earlier = num_events_in_wait_list == 0, .before_all_later = true}};
  return EnqueueSync(*queue, args, &DriverBarrier);
}

cl_int clEnqueueMarker(cl_command_queue command_queue, cl_event* event) {
  if (UsableQueue(command_queue) == nullptr) return CL_INVALID_COMMAND_QUEUE;
  if (event == nullptr) return CL_INVALID_VALUE;
  return hook::clEnqueueMarkerWithWaitList(command_queue, 0, nullptr, event);
}

cl_int clEnqueueBarrier(cl_command_queue command_queue) {
  return hook::clEnqueueBarrierWithWaitList(command_queue, 0, nullptr, nullptr);
}

cl_int clEnqueueWaitForEvents(cl_command_queue command_queue, cl_uint num_events, const cl_event* event_list) {
  if (UsableQueue(command_queue) == nullptr) return CL_INVALID_COMMAND_QUEUE;
  if (num_events == 0 || event_list == nullptr) return CL_INVALID_VALUE;
  const cl_int status = hook::clEnqueueBarrierWithWaitList(command_queue, num_events, event_list, nullptr);
  return status == CL_INVALID_EVENT_WAIT_LIST ? CL_INVALID_EVENT : status;
}

cl_int clEnqueueMigrateMemObjects(cl_command_queue command_queue, cl_uint num_mem_objects, const cl_mem* mem_objects,
                                  cl_mem_migration_flags flags, cl_uint num_events_in_wait_list,
                                  const cl_event* event_wait_list, cl_event* event) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  cl_int status = CheckMigration(num_mem_objects, mem_objects, flags);
  if (status != CL_SUCCESS) return status;
  std::vector<Ref<Mem>> keep;
  std::vector<cl_mem> drivers;
  uint64_t bytes = 0;
  for (cl_uint i = 0; i < num_mem_objects; ++i) {
    Mem* mem = UsableMem(*queue, mem_objects[i], &status);
    if (mem == nullptr) return status;
    keep.emplace_back(mem);
    drivers.push_back(mem->driver);
    bytes += mem->size;
  }
  const EnqueueArgs args{.type = CL_COMMAND_MIGRATE_MEM_OBJECTS,
                         .num_events = num_events_in_wait_list,
                         .wait_list = event_wait_list,
                         .event = event,
                         .work = TransferWork(CL_COMMAND_MIGRATE_MEM_OBJECTS, bytes)};
  return EnqueueSync(*queue, args,
                     [flags, drivers, keep](const DispatchTable& api, cl_command_queue on, cl_uint count,
                                            const cl_event* events, cl_event* done) {
                       return api.clEnqueueMigrateMemObjects(on, static_cast<cl_uint>(drivers.size()), drivers.data(),
                                                             flags, count, events, done);
                     });
}

}  // namespace xpool::cl::hook
