// Entry points on shared virtual memory.
#include <vector>

#include "generated/opencl/hooks.h"
#include "shim/opencl/command_work.h"
#include "shim/opencl/pump.h"
#include "shim/opencl/queue_enqueue.h"
#include "shim/opencl/ticket.h"
#include "shim/opencl/validate_buffer.h"
#include "shim/opencl/validate_svm.h"

namespace xpool::cl::hook {
namespace {

// What a driver's SVM free callback needs to do the program's part with the program's handle, or ours without one.
struct SvmFree {
  Queue* queue;  // referenced
  SvmFreeCallback callback;
  void* user_data;
};

void CL_CALLBACK FreeNow(cl_command_queue, cl_uint count, void** pointers, void* data) {
  const auto free = RedeemTicket<SvmFree>(data);
  DriverCallbackScope scope;
  Queue& queue = *free.queue;
  if (free.callback != nullptr) {
    free.callback(ToHandle(&queue), count, pointers, free.user_data);
  } else {
    for (cl_uint i = 0; i < count; ++i) {
      queue.api->clSVMFree(queue.context->driver, pointers[i]);
      SvmFreed(queue.context.get(), pointers[i]);
    }
  }
  UnrefInCallback(&queue);
}

// Has the driver call FreeNow(); the ticket is the callback's once the driver has accepted.
cl_int DriverFree(Queue& queue, SvmFreeCallback callback, void* user_data, cl_command_queue on, cl_uint pointer_count,
                  void** pointers, cl_uint count, const cl_event* events, cl_event* done) {
  queue.refs.fetch_add(1, std::memory_order_relaxed);  // the ticket's
  auto ticket = IssueTicket(SvmFree{&queue, callback, user_data});
  const cl_int status =
      queue.api->clEnqueueSVMFree(on, pointer_count, pointers, &FreeNow, ticket.get(), count, events, done);
  if (status == CL_SUCCESS) {
    static_cast<void>(ticket.release());
  } else {
    queue.refs.fetch_sub(1, std::memory_order_acq_rel);  // never the last: the caller has one
  }
  return status;
}

}  // namespace

cl_int clEnqueueSVMFree(cl_command_queue command_queue, cl_uint num_svm_pointers, void** svm_pointers,
                        SvmFreeCallback pfn_free_func, void* user_data, cl_uint num_events_in_wait_list,
                        const cl_event* event_wait_list, cl_event* event) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  const cl_int invalid = CheckSvmFree(num_svm_pointers, svm_pointers);
  if (invalid != CL_SUCCESS) return invalid;
  const EnqueueArgs args{.type = CL_COMMAND_SVM_FREE,
                         .num_events = num_events_in_wait_list,
                         .wait_list = event_wait_list,
                         .event = event,
                         .work = SyncWork()};
  return Enqueue(
      *queue, args,
      [&](const DispatchTable&, cl_command_queue on, cl_uint count, const cl_event* events, cl_event* done) {
        return DriverFree(*queue, pfn_free_func, user_data, on, num_svm_pointers, svm_pointers, count, events, done);
      },
      &NothingToCheck,
      [&](ForwardFn* forward) {
        *forward = [queue, pfn_free_func, user_data,
                    pointers = std::vector<void*>(svm_pointers, svm_pointers + num_svm_pointers)](
                       cl_command_queue on, cl_uint count, const cl_event* events, cl_event* done) mutable {
          return DriverFree(*queue, pfn_free_func, user_data, on, static_cast<cl_uint>(pointers.size()),
                            pointers.empty() ? nullptr : pointers.data(), count, events, done);
        };
        return cl_int{CL_SUCCESS};
      });
}

cl_int clEnqueueSVMMemcpy(cl_command_queue command_queue, cl_bool blocking_copy, void* dst_ptr, const void* src_ptr,
                          size_t size, cl_uint num_events_in_wait_list, const cl_event* event_wait_list,
                          cl_event* event) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  const EnqueueArgs args{.type = CL_COMMAND_SVM_MEMCPY,
                         .num_events = num_events_in_wait_list,
                         .wait_list = event_wait_list,
                         .event = event,
                         .work = TransferWork(CL_COMMAND_SVM_MEMCPY, size),
                         .blocking = blocking_copy != CL_FALSE};
  const auto call = [=](const DispatchTable& api, cl_command_queue on, cl_uint count, const cl_event* events,
                        cl_event* done) {
    return api.clEnqueueSVMMemcpy(on, CL_FALSE, dst_ptr, src_ptr, size, count, events, done);
  };
  return Enqueue(
      *queue, args, call, [&] { return CheckSvmCopy(dst_ptr, src_ptr, size); },
      [&](ForwardFn* forward) {
        *forward = [call, api = queue->api](auto... rest) { return call(*api, rest...); };
        return cl_int{CL_SUCCESS};
      });
}

cl_int clEnqueueSVMMemFill(cl_command_queue command_queue, void* svm_ptr, const void* pattern, size_t pattern_size,
                           size_t size, cl_uint num_events_in_wait_list, const cl_event* event_wait_list,
                           cl_event* event) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  const EnqueueArgs args{.type = CL_COMMAND_SVM_MEMFILL,
                         .num_events = num_events_in_wait_list,
                         .wait_list = event_wait_list,
                         .event = event,
                         .work = TransferWork(CL_COMMAND_SVM_MEMFILL, size)};
  const auto call = [=](const void* value, const DispatchTable& api, cl_command_queue on, cl_uint count,
                        const cl_event* events, cl_event* done) {
    return api.clEnqueueSVMMemFill(on, svm_ptr, value, pattern_size, size, count, events, done);
  };
  return Enqueue(
      *queue, args, [&](const DispatchTable& api, auto... rest) { return call(pattern, api, rest...); },
      [&] { return CheckSvmFill(svm_ptr, pattern, pattern_size, size); },
      [&](ForwardFn* forward) {
        const auto* bytes = static_cast<const unsigned char*>(pattern);
        *forward = [call, api = queue->api, copy = std::vector<unsigned char>(bytes, bytes + pattern_size)](
                       auto... rest) { return call(copy.data(), *api, rest...); };
        return cl_int{CL_SUCCESS};
      });
}

cl_int clEnqueueSVMMap(cl_command_queue command_queue, cl_bool blocking_map, cl_map_flags flags, void* svm_ptr,
                       size_t size, cl_uint num_events_in_wait_list, const cl_event* event_wait_list, cl_event* event) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  const EnqueueArgs args{.type = CL_COMMAND_SVM_MAP,
                         .num_events = num_events_in_wait_list,
                         .wait_list = event_wait_list,
                         .event = event,
                         .work = TransferWork(CL_COMMAND_SVM_MAP, size),
                         .blocking = blocking_map != CL_FALSE};
  const auto call = [=](const DispatchTable& api, cl_command_queue on, cl_uint count, const cl_event* events,
                        cl_event* done) {
    return api.clEnqueueSVMMap(on, CL_FALSE, flags, svm_ptr, size, count, events, done);
  };
  return Enqueue(
      *queue, args, call, [&] { return CheckSvmMap(flags, svm_ptr, size); },
      [&](ForwardFn* forward) {
        *forward = [call, api = queue->api](auto... rest) { return call(*api, rest...); };
        return cl_int{CL_SUCCESS};
      });
}

cl_int clEnqueueSVMUnmap(cl_command_queue command_queue, void* svm_ptr, cl_uint num_events_in_wait_list,
                         const cl_event* event_wait_list, cl_event* event) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  const EnqueueArgs args{.type = CL_COMMAND_SVM_UNMAP,
                         .num_events = num_events_in_wait_list,
                         .wait_list = event_wait_list,
                         .event = event,
                         .work = SyncWork()};
  const auto call = [=](const DispatchTable& api, cl_command_queue on, cl_uint count, const cl_event* events,
                        cl_event* done) { return api.clEnqueueSVMUnmap(on, svm_ptr, count, events, done); };
  return Enqueue(
      *queue, args, call, [&] { return cl_int{svm_ptr == nullptr ? CL_INVALID_VALUE : CL_SUCCESS}; },
      [&](ForwardFn* forward) {
        *forward = [call, api = queue->api](auto... rest) { return call(*api, rest...); };
        return cl_int{CL_SUCCESS};
      });
}

cl_int clEnqueueSVMMigrateMem(cl_command_queue command_queue, cl_uint num_svm_pointers, const void** svm_pointers,
                              const size_t* sizes, cl_mem_migration_flags flags, cl_uint num_events_in_wait_list,
                              const cl_event* event_wait_list, cl_event* event) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  const EnqueueArgs args{.type = CL_COMMAND_SVM_MIGRATE_MEM,
                         .num_events = num_events_in_wait_list,
                         .wait_list = event_wait_list,
                         .event = event,
                         .work = SyncWork()};
  const auto call = [=](const void** pointers, const size_t* lengths, const DispatchTable& api, cl_command_queue on,
                        cl_uint count, const cl_event* events, cl_event* done) {
    return api.clEnqueueSVMMigrateMem(on, num_svm_pointers, pointers, lengths, flags, count, events, done);
  };
  return Enqueue(
      *queue, args, [&](const DispatchTable& api, auto... rest) { return call(svm_pointers, sizes, api, rest...); },
      [&] { return CheckMigration(num_svm_pointers, svm_pointers, flags); },
      [&](ForwardFn* forward) {
        std::vector<size_t> lengths;
        if (sizes != nullptr) lengths.assign(sizes, sizes + num_svm_pointers);
        *forward = [call, api = queue->api, lengths = std::move(lengths),
                    pointers =
                        std::vector<const void*>(svm_pointers, svm_pointers + num_svm_pointers)](auto... rest) mutable {
          return call(pointers.data(), lengths.empty() ? nullptr : lengths.data(), *api, rest...);
        };
        return cl_int{CL_SUCCESS};
      });
}

}  // namespace xpool::cl::hook
