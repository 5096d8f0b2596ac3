// Entry points that read, write, fill and copy images.
#include <vector>

#include "generated/opencl/hooks.h"
#include "shim/opencl/command_work.h"
#include "shim/opencl/queue_enqueue.h"
#include "shim/opencl/triple.h"
#include "shim/opencl/validate_image.h"

namespace xpool::cl::hook {
namespace {

// Both transfer calls: |Pointer| is void* to read and const void* to write, |function| the driver's.
template <typename Pointer, typename Function>
cl_int TransferImage(cl_command_queue command_queue, cl_mem image, HostAccess access, cl_command_type type,
                     cl_bool blocking, const size_t* origin, const size_t* region, size_t row_pitch, size_t slice_pitch,
                     Pointer ptr, cl_uint num_events, const cl_event* wait_list, cl_event* event,
                     Function DispatchTable::*function) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  cl_int status = CL_SUCCESS;
  Mem* mem = UsableImage(*queue, image, &status);
  if (mem == nullptr) return status;
  const EnqueueArgs args{.type = type,
                         .num_events = num_events,
                         .wait_list = wait_list,
                         .event = event,
                         .work = RegionWork(type, region, mem->element_bytes),
                         .blocking = blocking != CL_FALSE,
                         .taken = queue->takes_writes() && access == HostAccess::kWrite};
  const auto call = [=](cl_bool block, const size_t* from, const size_t* size, const DispatchTable& api,
                        cl_command_queue on, cl_uint count, const cl_event* events, cl_event* done) {
    return (api.*function)(on, mem->driver, block, from, size, row_pitch, slice_pitch, ptr, count, events, done);
  };
  return Enqueue(
      *queue, args,
      [&](const DispatchTable& api, auto... rest) {
        return call(args.taken ? blocking : CL_FALSE, origin, region, api, rest...);
      },
      [&] {
        return CheckImageTransfer(ImageFactsOf(*mem, queue->limits), access, origin, region, row_pitch, slice_pitch,
                                  ptr);
      },
      [&](ForwardFn* forward) {
        *forward = [call, api = queue->api, keep = Ref<Mem>(mem), from = CopyOf(origin), size = CopyOf(region)](
                       auto... rest) { return call(CL_FALSE, from.data(), size.data(), *api, rest...); };
        return cl_int{CL_SUCCESS};
      });
}

// Both copies between an image and a buffer: |copy|(api, image, buffer, origin, region, queue, wait list, event) calls
// the driver.
template <typename Copy>
cl_int CopyImageAndBuffer(cl_command_queue command_queue, cl_command_type type, cl_mem image_handle,
                          cl_mem buffer_handle, const size_t* origin, const size_t* region, size_t offset,
                          cl_uint num_events, const cl_event* wait_list, cl_event* event, const Copy& copy) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  cl_int status = CL_SUCCESS;
  Mem* image = UsableImage(*queue, image_handle, &status);
  if (image == nullptr) return status;
  Mem* buffer = UsableBuffer(*queue, buffer_handle, &status);
  if (buffer == nullptr) return status;
  const EnqueueArgs args{.type = type,
                         .num_events = num_events,
                         .wait_list = wait_list,
                         .event = event,
                         .work = RegionWork(type, region, image->element_bytes)};
  const auto call = [=](const size_t* at, const size_t* size, const DispatchTable& api, auto... rest) {
    return copy(api, image->driver, buffer->driver, at, size, rest...);
  };
  return Enqueue(
      *queue, args, [&](const DispatchTable& api, auto... rest) { return call(origin, region, api, rest...); },
      [&] {
        return CheckImageBufferCopy(ImageFactsOf(*image, queue->limits), FactsOf(*buffer, queue->limits), origin,
                                    region, offset);
      },
      [&](ForwardFn* forward) {
        *forward = [call, api = queue->api, keep_image = Ref<Mem>(image), keep_buffer = Ref<Mem>(buffer),
                    at = CopyOf(origin),
                    size = CopyOf(region)](auto... rest) { return call(at.data(), size.data(), *api, rest...); };
        return cl_int{CL_SUCCESS};
      });
}

}  // namespace

cl_int clEnqueueReadImage(cl_command_queue command_queue, cl_mem image, cl_bool blocking_read, const size_t* origin,
                          const size_t* region, size_t row_pitch, size_t slice_pitch, void* ptr,
                          cl_uint num_events_in_wait_list, const cl_event* event_wait_list, cl_event* event) {
  return TransferImage(command_queue, image, HostAccess::kRead, CL_COMMAND_READ_IMAGE, blocking_read, origin, region,
                       row_pitch, slice_pitch, ptr, num_events_in_wait_list, event_wait_list, event,
                       &DispatchTable::clEnqueueReadImage);
}

cl_int clEnqueueWriteImage(cl_command_queue command_queue, cl_mem image, cl_bool blocking_write, const size_t* origin,
                           const size_t* region, size_t input_row_pitch, size_t input_slice_pitch, const void* ptr,
                           cl_uint num_events_in_wait_list, const cl_event* event_wait_list, cl_event* event) {
  return TransferImage(command_queue, image, HostAccess::kWrite, CL_COMMAND_WRITE_IMAGE, blocking_write, origin, region,
                       input_row_pitch, input_slice_pitch, ptr, num_events_in_wait_list, event_wait_list, event,
                       &DispatchTable::clEnqueueWriteImage);
}

cl_int clEnqueueFillImage(cl_command_queue command_queue, cl_mem image, const void* fill_color, const size_t* origin,
                          const size_t* region, cl_uint num_events_in_wait_list, const cl_event* event_wait_list,
                          cl_event* event) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  cl_int status = CL_SUCCESS;
  Mem* mem = UsableImage(*queue, image, &status);
  if (mem == nullptr) return status;
  const EnqueueArgs args{.type = CL_COMMAND_FILL_IMAGE,
                         .num_events = num_events_in_wait_list,
                         .wait_list = event_wait_list,
                         .event = event,
                         .work = RegionWork(CL_COMMAND_FILL_IMAGE, region, mem->element_bytes)};
  const auto call = [=](const void* color, const size_t* from, const size_t* size, const DispatchTable& api,
                        cl_command_queue on, cl_uint count, const cl_event* events, cl_event* done) {
    return api.clEnqueueFillImage(on, mem->driver, color, from, size, count, events, done);
  };
  return Enqueue(
      *queue, args,
      [&](const DispatchTable& api, auto... rest) { return call(fill_color, origin, region, api, rest...); },
      [&] { return CheckImageFill(ImageFactsOf(*mem, queue->limits), fill_color, origin, region); },
      [&](ForwardFn* forward) {
        const auto* color = static_cast<const unsigned char*>(fill_color);
        *forward = [call, api = queue->api, keep = Ref<Mem>(mem), from = CopyOf(origin), size = CopyOf(region),
                    copy = std::vector<unsigned char>(color, color + FillColorBytes(mem->format))](auto... rest) {
          return call(copy.data(), from.data(), size.data(), *api, rest...);
        };
        return cl_int{CL_SUCCESS};
      });
}

cl_int clEnqueueCopyImage(cl_command_queue command_queue, cl_mem src_image, cl_mem dst_image, const size_t* src_origin,
                          const size_t* dst_origin, const size_t* region, cl_uint num_events_in_wait_list,
                          const cl_event* event_wait_list, cl_event* event) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  cl_int status = CL_SUCCESS;
  Mem* src = UsableImage(*queue, src_image, &status);
  if (src == nullptr) return status;
  Mem* dst = UsableImage(*queue, dst_image, &status);
  if (dst == nullptr) return status;
  const EnqueueArgs args{.type = CL_COMMAND_COPY_IMAGE,
                         .num_events = num_events_in_wait_list,
                         .wait_list = event_wait_list,
                         .event = event,
                         .work = RegionWork(CL_COMMAND_COPY_IMAGE, region, src->element_bytes)};
  const auto call = [=](const size_t* from, const size_t* to, const size_t* size, const DispatchTable& api,
                        cl_command_queue on, cl_uint count, const cl_event* events, cl_event* done) {
    return api.clEnqueueCopyImage(on, src->driver, dst->driver, from, to, size, count, events, done);
  };
  return Enqueue(
      *queue, args,
      [&](const DispatchTable& api, auto... rest) { return call(src_origin, dst_origin, region, api, rest...); },
      [&] {
        return CheckImageCopy(ImageFactsOf(*src, queue->limits), ImageFactsOf(*dst, queue->limits), src_origin,
                              dst_origin, region);
      },
      [&](ForwardFn* forward) {
        *forward = [call, api = queue->api, keep_src = Ref<Mem>(src), keep_dst = Ref<Mem>(dst),
                    from = CopyOf(src_origin), to = CopyOf(dst_origin), size = CopyOf(region)](auto... rest) {
          return call(from.data(), to.data(), size.data(), *api, rest...);
        };
        return cl_int{CL_SUCCESS};
      });
}

cl_int clEnqueueCopyImageToBuffer(cl_command_queue command_queue, cl_mem src_image, cl_mem dst_buffer,
                                  const size_t* src_origin, const size_t* region, size_t dst_offset,
                                  cl_uint num_events_in_wait_list, const cl_event* event_wait_list, cl_event* event) {
  const auto copy = [=](const DispatchTable& api, cl_mem image, cl_mem buffer, const size_t* origin, const size_t* size,
                        cl_command_queue on, cl_uint count, const cl_event* events, cl_event* done) {
    return api.clEnqueueCopyImageToBuffer(on, image, buffer, origin, size, dst_offset, count, events, done);
  };
  return CopyImageAndBuffer(command_queue, CL_COMMAND_COPY_IMAGE_TO_BUFFER, src_image, dst_buffer, src_origin, region,
                            dst_offset, num_events_in_wait_list, event_wait_list, event, copy);
}

cl_int clEnqueueCopyBufferToImage(cl_command_queue command_queue, cl_mem src_buffer, cl_mem dst_image,
                                  size_t src_offset, const size_t* dst_origin, const size_t* region,
                                  cl_uint num_events_in_wait_list, const cl_event* event_wait_list, cl_event* event) {
  const auto copy = [=](const DispatchTable& api, cl_mem image, cl_mem buffer, const size_t* origin, const size_t* size,
                        cl_command_queue on, cl_uint count, const cl_event* events, cl_event* done) {
    return api.clEnqueueCopyBufferToImage(on, buffer, image, src_offset, origin, size, count, events, done);
  };
  return CopyImageAndBuffer(command_queue, CL_COMMAND_COPY_BUFFER_TO_IMAGE, dst_image, src_buffer, dst_origin, region,
                            src_offset, num_events_in_wait_list, event_wait_list, event, copy);
}

}  // namespace xpool::cl::hook
