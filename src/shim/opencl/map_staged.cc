#include "shim/opencl/map_staged.h"

#include "shim/opencl/memory.h"
#include "shim/opencl/ticket.h"

namespace xpool::cl {
namespace {

size_t BytesOf(const Mem& mem, const Staging& staging) {
  const size_t items = staging.region[0] * staging.region[1] * staging.region[2];
  return mem.is_image() ? items * mem.element_bytes : items;
}

// The host may not read |mem| (it may only be mapped to be written), but what the program leaves unwritten must stay:
// so the bytes come by way of a buffer that may be read.
cl_int FillByCopy(const Queue& queue, const Mem& mem, const Staging& staging, cl_uint count, const cl_event* events,
                  cl_event* done) {
  const DispatchTable& api = *queue.api;
  const size_t bytes = BytesOf(mem, staging);
  cl_int status = CL_SUCCESS;
  cl_mem scratch = api.clCreateBuffer(mem.context->driver, CL_MEM_READ_WRITE, bytes, nullptr, &status);
  if (scratch == nullptr) return status;
  cl_event copied = nullptr;
  status = mem.is_image() ? api.clEnqueueCopyImageToBuffer(queue.driver, mem.driver, scratch, staging.origin.data(),
                                                           staging.region.data(), 0, count, events, &copied)
                          : api.clEnqueueCopyBuffer(queue.driver, mem.driver, scratch, staging.origin[0], 0, bytes,
                                                    count, events, &copied);
  if (status == CL_SUCCESS) {
    status = api.clEnqueueReadBuffer(queue.driver, scratch, CL_FALSE, 0, bytes, staging.data, 1, &copied, done);
    api.clReleaseEvent(copied);
  }
  api.clReleaseMemObject(scratch);  // lives until its commands have run
  return status;
}

void CL_CALLBACK DropStaging(cl_event, cl_int, void* staging) { RedeemTicket<std::shared_ptr<Staging>>(staging); }

cl_int WriteBack(const Queue& queue, const Mem& mem, const Staging& staging, cl_uint count, const cl_event* events,
                 cl_event* done) {
  const DispatchTable& api = *queue.api;
  if (!staging.writes) return api.clEnqueueMarkerWithWaitList(queue.driver, count, events, done);
  if (!mem.is_image()) {
    return api.clEnqueueWriteBuffer(queue.driver, mem.driver, CL_FALSE, staging.origin[0], staging.region[0],
                                    staging.data, count, events, done);
  }
  return api.clEnqueueWriteImage(queue.driver, mem.driver, CL_FALSE, staging.origin.data(), staging.region.data(),
                                 staging.row_pitch, staging.slice_pitch, staging.data, count, events, done);
}

}  // namespace

cl_int FillStaging(const Queue& queue, const Mem& mem, const std::shared_ptr<Staging>& staging, cl_uint count,
                   const cl_event* events, cl_event* done) {
  const DispatchTable& api = *queue.api;
  if (staging->invalidates) return api.clEnqueueMarkerWithWaitList(queue.driver, count, events, done);
  if ((mem.flags & CL_MEM_HOST_WRITE_ONLY) != 0) return FillByCopy(queue, mem, *staging, count, events, done);
  if (!mem.is_image()) {
    return api.clEnqueueReadBuffer(queue.driver, mem.driver, CL_FALSE, staging->origin[0], staging->region[0],
                                   staging->data, count, events, done);
  }
  return api.clEnqueueReadImage(queue.driver, mem.driver, CL_FALSE, staging->origin.data(), staging->region.data(),
                                staging->row_pitch, staging->slice_pitch, staging->data, count, events, done);
}

cl_int WriteBackStaging(const Queue& queue, const Mem& mem, const std::shared_ptr<Staging>& staging, cl_uint count,
                        const cl_event* events, cl_event* done) {
  cl_event own = nullptr;
  cl_event* const ended = done != nullptr ? done : &own;
  const cl_int status = WriteBack(queue, mem, *staging, count, events, ended);
  if (status != CL_SUCCESS) return status;
  auto keep = IssueTicket(staging);
  if (queue.api->clSetEventCallback(*ended, CL_COMPLETE, &DropStaging, keep.get()) == CL_SUCCESS) {
    static_cast<void>(keep.release());  // DropStaging redeems it
  } else {
    queue.api->clWaitForEvents(1, ended);  // a driver without event callbacks
  }
  if (own != nullptr) queue.api->clReleaseEvent(own);
  return CL_SUCCESS;
}

}  // namespace xpool::cl
