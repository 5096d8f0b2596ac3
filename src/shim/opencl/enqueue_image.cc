// Entry points that read, write, fill and copy images.
#include <array>
#include <vector>

#include "generated/opencl/hooks.h"
#include "shim/opencl/command_work.h"
#include "shim/opencl/queue_enqueue.h"
#include "shim/opencl/validate_image.h"

namespace xpool::cl::hook {
namespace {

using Triple = std::array<size_t, 3>;

Triple CopyOf(const size_t* three) { return {three[0], three[1], three[2]}; }

Work ImageWork(cl_command_type type, const Mem& image, const size_t* region) {
  const uint64_t pixels = region == nullptr ? 0 : uint64_t{region[0]} * region[1] * region[2];
  return TransferWork(type, pixels * image.element_bytes);
}

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
                         .work = ImageWork(type, *mem, region),
                         .blocking = blocking != CL_FALSE};
  const auto call = [=](const size_t* from, const size_t* size, const DispatchTable& api, cl_command_queue on,
                        cl_uint count, const cl_event* events, cl_event* done) {
    return (api.*function)(on, mem->driver, CL_FALSE, from, size, row_pitch, slice_pitch, ptr, count, events, done);
  };
  return Enqueue(
      *queue, args, [&](const DispatchTable& api, auto... rest) { return call(origin, region, api, rest...); },
      [&](ForwardFn* forward) {
        const cl_int invalid =
            CheckImageTransfer(ImageFactsOf(*mem, queue->limits), access, origin, region, row_pitch, slice_pitch, ptr);
        if (invalid != CL_SUCCESS) return invalid;
        *forward = [call, api = queue->api, keep = Ref<Mem>(mem), from = CopyOf(origin),
                    size = CopyOf(region)](auto... rest) { return call(from.data(), size.data(), *api, rest...); };
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
                         .work = ImageWork(CL_COMMAND_FILL_IMAGE, *mem, region)};
  const auto call = [=](const void* color, const size_t* from, const size_t* size, const DispatchTable& api,
                        cl_command_queue on, cl_uint count, const cl_event* events, cl_event* done) {
    return api.clEnqueueFillImage(on, mem->driver, color, from, size, count, events, done);
  };
  return Enqueue(
      *queue, args,
      [&](const DispatchTable& api, auto... rest) { return call(fill_color, origin, region, api, rest...); },
      [&](ForwardFn* forward) {
        const cl_int invalid = CheckImageFill(ImageFactsOf(*mem, queue->limits), fill_color, origin, region);
        if (invalid != CL_SUCCESS) return invalid;
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
                         .work = ImageWork(CL_COMMAND_COPY_IMAGE, *src, region)};
  const auto call = [=](const size_t* from, const size_t* to, const size_t* size, const DispatchTable& api,
                        cl_command_queue on, cl_uint count, const cl_event* events, cl_event* done) {
    return api.clEnqueueCopyImage(on, src->driver, dst->driver, from, to, size, count, events, done);
  };
  return Enqueue(
      *queue, args,
      [&](const DispatchTable& api, auto... rest) { return call(src_origin, dst_origin, region, api, rest...); },
      [&](ForwardFn* forward) {
        const cl_int invalid = CheckImageCopy(ImageFactsOf(*src, queue->limits), ImageFactsOf(*dst, queue->limits),
                                              src_origin, dst_origin, region);
        if (invalid != CL_SUCCESS) return invalid;
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
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  cl_int status = CL_SUCCESS;
  Mem* image = UsableImage(*queue, src_image, &status);
  if (image == nullptr) return status;
  Mem* buffer = UsableBuffer(*queue, dst_buffer, &status);
  if (buffer == nullptr) return status;
  const EnqueueArgs args{.type = CL_COMMAND_COPY_IMAGE_TO_BUFFER,
                         .num_events = num_events_in_wait_list,
                         .wait_list = event_wait_list,
                         .event = event,
                         .work = ImageWork(CL_COMMAND_COPY_IMAGE_TO_BUFFER, *image, region)};
  const auto call = [=](const size_t* from, const size_t* size, const DispatchTable& api, cl_command_queue on,
                        cl_uint count, const cl_event* events, cl_event* done) {
    return api.clEnqueueCopyImageToBuffer(on, image->driver, buffer->driver, from, size, dst_offset, count, events,
                                          done);
  };
  return Enqueue(
      *queue, args, [&](const DispatchTable& api, auto... rest) { return call(src_origin, region, api, rest...); },
      [&](ForwardFn* forward) {
        const cl_int invalid = CheckImageBufferCopy(ImageFactsOf(*image, queue->limits),
                                                    FactsOf(*buffer, queue->limits), src_origin, region, dst_offset);
        if (invalid != CL_SUCCESS) return invalid;
        *forward = [call, api = queue->api, keep_src = Ref<Mem>(image), keep_dst = Ref<Mem>(buffer),
                    from = CopyOf(src_origin),
                    size = CopyOf(region)](auto... rest) { return call(from.data(), size.data(), *api, rest...); };
        return cl_int{CL_SUCCESS};
      });
}

cl_int clEnqueueCopyBufferToImage(cl_command_queue command_queue, cl_mem src_buffer, cl_mem dst_image,
                                  size_t src_offset, const size_t* dst_origin, const size_t* region,
                                  cl_uint num_events_in_wait_list, const cl_event* event_wait_list, cl_event* event) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  cl_int status = CL_SUCCESS;
  Mem* buffer = UsableBuffer(*queue, src_buffer, &status);
  if (buffer == nullptr) return status;
  Mem* image = UsableImage(*queue, dst_image, &status);
  if (image == nullptr) return status;
  const EnqueueArgs args{.type = CL_COMMAND_COPY_BUFFER_TO_IMAGE,
                         .num_events = num_events_in_wait_list,
                         .wait_list = event_wait_list,
                         .event = event,
                         .work = ImageWork(CL_COMMAND_COPY_BUFFER_TO_IMAGE, *image, region)};
  const auto call = [=](const size_t* to, const size_t* size, const DispatchTable& api, cl_command_queue on,
                        cl_uint count, const cl_event* events, cl_event* done) {
    return api.clEnqueueCopyBufferToImage(on, buffer->driver, image->driver, src_offset, to, size, count, events, done);
  };
  return Enqueue(
      *queue, args, [&](const DispatchTable& api, auto... rest) { return call(dst_origin, region, api, rest...); },
      [&](ForwardFn* forward) {
        const cl_int invalid = CheckImageBufferCopy(ImageFactsOf(*image, queue->limits),
                                                    FactsOf(*buffer, queue->limits), dst_origin, region, src_offset);
        if (invalid != CL_SUCCESS) return invalid;
        *forward = [call, api = queue->api, keep_src = Ref<Mem>(buffer), keep_dst = Ref<Mem>(image),
                    to = CopyOf(dst_origin),
                    size = CopyOf(region)](auto... rest) { return call(to.data(), size.data(), *api, rest...); };
        return cl_int{CL_SUCCESS};
      });
}

}  // namespace xpool::cl::hook
