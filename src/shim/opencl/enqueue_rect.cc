// Entry points that read, write and copy rectangles of buffers.
#include "generated/opencl/hooks.h"
#include "shim/opencl/command_work.h"
#include "shim/opencl/queue_enqueue.h"
#include "shim/opencl/triple.h"
#include "shim/opencl/validate_buffer.h"

namespace xpool::cl::hook {
namespace {

// Both transfer calls: |Pointer| is void* to read and const void* to write, |function| the driver's.
template <typename Pointer, typename Function>
cl_int TransferRect(cl_command_queue command_queue, cl_mem buffer, HostAccess access, cl_command_type type,
                    cl_bool blocking, Rect in_buffer, Rect in_host, const size_t* region, Pointer ptr,
                    cl_uint num_events, const cl_event* wait_list, cl_event* event, Function DispatchTable::*function) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  cl_int status = CL_SUCCESS;
  Mem* mem = UsableBuffer(*queue, buffer, &status);
  if (mem == nullptr) return status;
  const EnqueueArgs args{.type = type,
                         .num_events = num_events,
                         .wait_list = wait_list,
                         .event = event,
                         .work = RegionWork(type, region),
                         .blocking = blocking != CL_FALSE,
                         .taken = queue->takes_writes() && access == HostAccess::kWrite};
  const auto call = [=](cl_bool block, const size_t* origin, const size_t* host_origin, const size_t* size,
                        const DispatchTable& api, cl_command_queue on, cl_uint count, const cl_event* events,
                        cl_event* done) {
    return (api.*function)(on, mem->driver, block, origin, host_origin, size, in_buffer.row_pitch,
                           in_buffer.slice_pitch, in_host.row_pitch, in_host.slice_pitch, ptr, count, events, done);
  };
  return Enqueue(
      *queue, args,
      [&](const DispatchTable& api, auto... rest) {
        return call(args.taken ? blocking : CL_FALSE, in_buffer.origin, in_host.origin, region, api, rest...);
      },
      [&] { return CheckRectTransfer(FactsOf(*mem, queue->limits), access, in_buffer, in_host, region, ptr); },
      [&](ForwardFn* forward) {
        *forward = [call, api = queue->api, keep = Ref<Mem>(mem), origin = CopyOf(in_buffer.origin),
                    host_origin = CopyOf(in_host.origin), size = CopyOf(region)](auto... rest) {
          return call(CL_FALSE, origin.data(), host_origin.data(), size.data(), *api, rest...);
        };
        return cl_int{CL_SUCCESS};
      });
}

}  // namespace

cl_int clEnqueueReadBufferRect(cl_command_queue command_queue, cl_mem buffer, cl_bool blocking_read,
                               const size_t* buffer_origin, const size_t* host_origin, const size_t* region,
                               size_t buffer_row_pitch, size_t buffer_slice_pitch, size_t host_row_pitch,
                               size_t host_slice_pitch, void* ptr, cl_uint num_events_in_wait_list,
                               const cl_event* event_wait_list, cl_event* event) {
  return TransferRect(command_queue, buffer, HostAccess::kRead, CL_COMMAND_READ_BUFFER_RECT, blocking_read,
                      {buffer_origin, buffer_row_pitch, buffer_slice_pitch},
                      {host_origin, host_row_pitch, host_slice_pitch}, region, ptr, num_events_in_wait_list,
                      event_wait_list, event, &DispatchTable::clEnqueueReadBufferRect);
}

cl_int clEnqueueWriteBufferRect(cl_command_queue command_queue, cl_mem buffer, cl_bool blocking_write,
                                const size_t* buffer_origin, const size_t* host_origin, const size_t* region,
                                size_t buffer_row_pitch, size_t buffer_slice_pitch, size_t host_row_pitch,
                                size_t host_slice_pitch, const void* ptr, cl_uint num_events_in_wait_list,
                                const cl_event* event_wait_list, cl_event* event) {
  return TransferRect(command_queue, buffer, HostAccess::kWrite, CL_COMMAND_WRITE_BUFFER_RECT, blocking_write,
                      {buffer_origin, buffer_row_pitch, buffer_slice_pitch},
                      {host_origin, host_row_pitch, host_slice_pitch}, region, ptr, num_events_in_wait_list,
                      event_wait_list, event, &DispatchTable::clEnqueueWriteBufferRect);
}

cl_int clEnqueueCopyBufferRect(cl_command_queue command_queue, cl_mem src_buffer, cl_mem dst_buffer,
                               const size_t* src_origin, const size_t* dst_origin, const size_t* region,
                               size_t src_row_pitch, size_t src_slice_pitch, size_t dst_row_pitch,
                               size_t dst_slice_pitch, cl_uint num_events_in_wait_list, const cl_event* event_wait_list,
                               cl_event* event) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  cl_int status = CL_SUCCESS;
  Mem* src = UsableBuffer(*queue, src_buffer, &status);
  if (src == nullptr) return status;
  Mem* dst = UsableBuffer(*queue, dst_buffer, &status);
  if (dst == nullptr) return status;
  const EnqueueArgs args{.type = CL_COMMAND_COPY_BUFFER_RECT,
                         .num_events = num_events_in_wait_list,
                         .wait_list = event_wait_list,
                         .event = event,
                         .work = RegionWork(CL_COMMAND_COPY_BUFFER_RECT, region)};
  const auto call = [=](const size_t* from, const size_t* to, const size_t* size, const DispatchTable& api,
                        cl_command_queue on, cl_uint count, const cl_event* events, cl_event* done) {
    return api.clEnqueueCopyBufferRect(on, src->driver, dst->driver, from, to, size, src_row_pitch, src_slice_pitch,
                                       dst_row_pitch, dst_slice_pitch, count, events, done);
  };
  return Enqueue(
      *queue, args,
      [&](const DispatchTable& api, auto... rest) { return call(src_origin, dst_origin, region, api, rest...); },
      [&] {
        return CheckRectCopy(FactsOf(*src, queue->limits), FactsOf(*dst, queue->limits),
                             {src_origin, src_row_pitch, src_slice_pitch}, {dst_origin, dst_row_pitch, dst_slice_pitch},
                             region);
      },
      [&](ForwardFn* forward) {
        *forward = [call, api = queue->api, keep_src = Ref<Mem>(src), keep_dst = Ref<Mem>(dst),
                    from = CopyOf(src_origin), to = CopyOf(dst_origin), size = CopyOf(region)](auto... rest) {
          return call(from.data(), to.data(), size.data(), *api, rest...);
        };
        return cl_int{CL_SUCCESS};
      });
}

}  // namespace xpool::cl::hook
