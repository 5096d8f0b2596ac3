// Entry points that read, write, fill and copy buffers.
#include <cstring>
#include <vector>

#include "generated/opencl/hooks.h"
#include "shim/opencl/command_work.h"
#include "shim/opencl/queue_enqueue.h"
#include "shim/opencl/validate_buffer.h"

namespace xpool::cl::hook {

namespace {

// Both transfer calls: |Pointer| is void* to read and const void* to write, |function| the driver's.
template <typename Pointer, typename Function>
cl_int Transfer(cl_command_queue command_queue, cl_mem buffer, HostAccess access, cl_command_type type,
                cl_bool blocking, size_t offset, size_t size, Pointer ptr, cl_uint num_events,
                const cl_event* wait_list, cl_event* event, Function DispatchTable::*function) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  cl_int status = CL_SUCCESS;
  Mem* mem = UsableBuffer(*queue, buffer, &status);
  if (mem == nullptr) return status;
  const EnqueueArgs args{.type = type,
                         .num_events = num_events,
                         .wait_list = wait_list,
                         .event = event,
                         .work = TransferWork(type, size),
                         .blocking = blocking != CL_FALSE,
                         .taken = queue->takes_writes() && access == HostAccess::kWrite};
  const auto call = [=](cl_bool block, const DispatchTable& api, cl_command_queue on, cl_uint count,
                        const cl_event* events, cl_event* done) {
    return (api.*function)(on, mem->driver, block, offset, size, ptr, count, events, done);
  };
  return Enqueue(
      *queue, args,
      [&](const DispatchTable& api, auto... rest) { return call(args.taken ? blocking : CL_FALSE, api, rest...); },
      [&] { return CheckTransfer(FactsOf(*mem, queue->limits), access, offset, size, ptr); },
      [&](ForwardFn* forward) {
        *forward = [call, api = queue->api, keep = Ref<Mem>(mem)](auto... rest) {
          return call(CL_FALSE, *api, rest...);
        };
        return cl_int{CL_SUCCESS};
      });
}

}  // namespace

cl_int clEnqueueReadBuffer(cl_command_queue command_queue, cl_mem buffer, cl_bool blocking_read, size_t offset,
                           size_t size, void* ptr, cl_uint num_events_in_wait_list, const cl_event* event_wait_list,
                           cl_event* event) {
  return Transfer(command_queue, buffer, HostAccess::kRead, CL_COMMAND_READ_BUFFER, blocking_read, offset, size, ptr,
                  num_events_in_wait_list, event_wait_list, event, &DispatchTable::clEnqueueReadBuffer);
}

cl_int clEnqueueWriteBuffer(cl_command_queue command_queue, cl_mem buffer, cl_bool blocking_write, size_t offset,
                            size_t size, const void* ptr, cl_uint num_events_in_wait_list,
                            const cl_event* event_wait_list, cl_event* event) {
  return Transfer(command_queue, buffer, HostAccess::kWrite, CL_COMMAND_WRITE_BUFFER, blocking_write, offset, size, ptr,
                  num_events_in_wait_list, event_wait_list, event, &DispatchTable::clEnqueueWriteBuffer);
}

cl_int clEnqueueFillBuffer(cl_command_queue command_queue, cl_mem buffer, const void* pattern, size_t pattern_size,
                           size_t offset, size_t size, cl_uint num_events_in_wait_list, const cl_event* event_wait_list,
                           cl_event* event) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  cl_int status = CL_SUCCESS;
  Mem* mem = UsableBuffer(*queue, buffer, &status);
  if (mem == nullptr) return status;
  const EnqueueArgs args{.type = CL_COMMAND_FILL_BUFFER,
                         .num_events = num_events_in_wait_list,
                         .wait_list = event_wait_list,
                         .event = event,
                         .work = TransferWork(CL_COMMAND_FILL_BUFFER, size)};
  const auto call = [=](const void* value, const DispatchTable& api, cl_command_queue on, cl_uint count,
                        const cl_event* events, cl_event* done) {
    return api.clEnqueueFillBuffer(on, mem->driver, value, pattern_size, offset, size, count, events, done);
  };
  return Enqueue(
      *queue, args, [&](const DispatchTable& api, auto... rest) { return call(pattern, api, rest...); },
      [&] { return CheckFill(FactsOf(*mem, queue->limits), pattern, pattern_size, offset, size); },
      [&](ForwardFn* forward) {
        const auto* bytes = static_cast<const unsigned char*>(pattern);
        *forward = [call, api = queue->api, keep = Ref<Mem>(mem),
                    copy = std::vector<unsigned char>(bytes, bytes + pattern_size)](auto... rest) {
          return call(copy.data(), *api, rest...);
        };
        return cl_int{CL_SUCCESS};
      });
}

cl_int clEnqueueCopyBuffer(cl_command_queue command_queue, cl_mem src_buffer, cl_mem dst_buffer, size_t src_offset,
                           size_t dst_offset, size_t size, cl_uint num_events_in_wait_list,
                           const cl_event* event_wait_list, cl_event* event) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  cl_int status = CL_SUCCESS;
  Mem* src = UsableBuffer(*queue, src_buffer, &status);
  if (src == nullptr) return status;
  Mem* dst = UsableBuffer(*queue, dst_buffer, &status);
  if (dst == nullptr) return status;
  const EnqueueArgs args{.type = CL_COMMAND_COPY_BUFFER,
                         .num_events = num_events_in_wait_list,
                         .wait_list = event_wait_list,
                         .event = event,
                         .work = TransferWork(CL_COMMAND_COPY_BUFFER, size)};
  const auto call = [=](const DispatchTable& api, cl_command_queue on, cl_uint count, const cl_event* events,
                        cl_event* done) {
    return api.clEnqueueCopyBuffer(on, src->driver, dst->driver, src_offset, dst_offset, size, count, events, done);
  };
  return Enqueue(
      *queue, args, call,
      [&] {
        return CheckCopy(FactsOf(*src, queue->limits), FactsOf(*dst, queue->limits), src_offset, dst_offset, size);
      },
      [&](ForwardFn* forward) {
        *forward = [call, api = queue->api, keep_src = Ref<Mem>(src), keep_dst = Ref<Mem>(dst)](auto... rest) {
          return call(*api, rest...);
        };
        return cl_int{CL_SUCCESS};
      });
}

}  // namespace xpool::cl::hook
