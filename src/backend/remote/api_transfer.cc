// Reading and writing. What is written is taken at once: a short piece travels in the call, a long one is sent from
// where it lies, and a call that blocks returns when the program may have its memory back, which is all that it
// promises. What is read comes with the answer of its call, or by the bulk lane, straight to where the program wants
// it.

#include <atomic>

#include "backend/remote/calls.h"
#include "backend/remote/coherence.h"
#include "wire/reader.h"

namespace xpool::remote {

using wire_cl::CallId;
using wire_cl::Encoder;

namespace {

template <typename Encode>
cl_int Write(Queue* queue, CallId id, cl_bool blocking, cl_event* event, const Encode& encode) {
  AwaitRoomForTransfer(queue);
  const cl_int status = Enqueue(queue, id, event, encode);
  if (status != CL_SUCCESS) return status;
  queue->transfer_bytes += ClLink::PendingBytes();
  if (blocking != CL_FALSE) return queue->link->SendPending();
  // The program leaves the memory alone until its event is complete, and the worker can end that only with the data.
  queue->link->SendPendingLater([] {});
  return CL_SUCCESS;
}

cl_int CL_API_CALL WriteBuffer(cl_command_queue queue, cl_mem buffer, cl_bool blocking, size_t offset, size_t size,
                               const void* ptr, cl_uint num_events, const cl_event* events, cl_event* event) {
  if (const cl_int status = Prepare(From<Queue>(queue), buffer, Use::kReplaces, offset, size); status != CL_SUCCESS)
    return status;
  return Write(From<Queue>(queue), CallId::clEnqueueWriteBuffer, blocking, event, [&](Encoder& call, cl_event* wanted) {
    return wire_cl::EncodeCall_clEnqueueWriteBuffer(queue, buffer, CL_FALSE, offset, size, ptr, num_events, events,
                                                    wanted, call);
  });
}

cl_int CL_API_CALL WriteBufferRect(cl_command_queue queue, cl_mem buffer, cl_bool blocking, const size_t* buffer_origin,
                                   const size_t* host_origin, const size_t* region, size_t buffer_row_pitch,
                                   size_t buffer_slice_pitch, size_t host_row_pitch, size_t host_slice_pitch,
                                   const void* ptr, cl_uint num_events, const cl_event* events, cl_event* event) {
  const cl_int ready = PrepareRect(From<Queue>(queue), buffer, Use::kChanges, buffer_origin, region, buffer_row_pitch,
                                   buffer_slice_pitch);
  if (ready != CL_SUCCESS) return ready;
  return Write(
      From<Queue>(queue), CallId::clEnqueueWriteBufferRect, blocking, event, [&](Encoder& call, cl_event* wanted) {
        return wire_cl::EncodeCall_clEnqueueWriteBufferRect(queue, buffer, CL_FALSE, buffer_origin, host_origin, region,
                                                            buffer_row_pitch, buffer_slice_pitch, host_row_pitch,
                                                            host_slice_pitch, ptr, num_events, events, wanted, call);
      });
}

cl_int CL_API_CALL WriteImage(cl_command_queue queue, cl_mem image, cl_bool blocking, const size_t* origin,
                              const size_t* region, size_t row_pitch, size_t slice_pitch, const void* ptr,
                              cl_uint num_events, const cl_event* events, cl_event* event) {
  if (const cl_int status = Prepare(From<Queue>(queue), image, Use::kChanges); status != CL_SUCCESS) return status;
  return Write(From<Queue>(queue), CallId::clEnqueueWriteImage, blocking, event, [&](Encoder& call, cl_event* wanted) {
    return wire_cl::EncodeCall_clEnqueueWriteImage(queue, image, CL_FALSE, origin, region, row_pitch, slice_pitch, ptr,
                                                   num_events, events, wanted, call);
  });
}

cl_int CL_API_CALL ReadBuffer(cl_command_queue queue, cl_mem buffer, cl_bool, size_t offset, size_t size, void* ptr,
                              cl_uint num_events, const cl_event* events, cl_event* event) {
  if (const cl_int status = Prepare(From<Queue>(queue), buffer, Use::kReads, offset, size); status != CL_SUCCESS)
    return status;
  return EnqueueForData(From<Queue>(queue), CallId::clEnqueueReadBuffer, event, [&](Encoder& call, cl_event* wanted) {
    return wire_cl::EncodeCall_clEnqueueReadBuffer(queue, buffer, CL_FALSE, offset, size, ptr, num_events, events,
                                                   wanted, call);
  });
}

cl_int CL_API_CALL ReadBufferRect(cl_command_queue queue, cl_mem buffer, cl_bool, const size_t* buffer_origin,
                                  const size_t* host_origin, const size_t* region, size_t buffer_row_pitch,
                                  size_t buffer_slice_pitch, size_t host_row_pitch, size_t host_slice_pitch, void* ptr,
                                  cl_uint num_events, const cl_event* events, cl_event* event) {
  const cl_int ready =
      PrepareRect(From<Queue>(queue), buffer, Use::kReads, buffer_origin, region, buffer_row_pitch, buffer_slice_pitch);
  if (ready != CL_SUCCESS) return ready;
  return EnqueueForData(
      From<Queue>(queue), CallId::clEnqueueReadBufferRect, event, [&](Encoder& call, cl_event* wanted) {
        return wire_cl::EncodeCall_clEnqueueReadBufferRect(queue, buffer, CL_FALSE, buffer_origin, host_origin, region,
                                                           buffer_row_pitch, buffer_slice_pitch, host_row_pitch,
                                                           host_slice_pitch, ptr, num_events, events, wanted, call);
      });
}

cl_int CL_API_CALL ReadImage(cl_command_queue queue, cl_mem image, cl_bool, const size_t* origin, const size_t* region,
                             size_t row_pitch, size_t slice_pitch, void* ptr, cl_uint num_events,
                             const cl_event* events, cl_event* event) {
  if (const cl_int status = Prepare(From<Queue>(queue), image, Use::kReads); status != CL_SUCCESS) return status;
  return EnqueueForData(From<Queue>(queue), CallId::clEnqueueReadImage, event, [&](Encoder& call, cl_event* wanted) {
    return wire_cl::EncodeCall_clEnqueueReadImage(queue, image, CL_FALSE, origin, region, row_pitch, slice_pitch, ptr,
                                                  num_events, events, wanted, call);
  });
}

}  // namespace

void FillTransferCalls(cl::DispatchTable* table) {
  table->clEnqueueWriteBuffer = &WriteBuffer;
  table->clEnqueueWriteBufferRect = &WriteBufferRect;
  table->clEnqueueWriteImage = &WriteImage;
  table->clEnqueueReadBuffer = &ReadBuffer;
  table->clEnqueueReadBufferRect = &ReadBufferRect;
  table->clEnqueueReadImage = &ReadImage;
}

}  // namespace xpool::remote
