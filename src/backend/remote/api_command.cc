// Commands that bring no data: launches, fills, copies, markers. They are sent and not waited for.

#include "backend/remote/calls.h"
#include "backend/remote/coherence.h"

namespace xpool::remote {

using wire_cl::CallId;
using wire_cl::Encoder;

namespace {

cl_int PrepareLaunch(Queue* queue, Kernel* kernel) {
  // What was wrong with an argument that was set without waiting; told once.
  const cl_int error = kernel->error.exchange(CL_SUCCESS);
  return error != CL_SUCCESS ? error : PrepareArguments(queue, kernel);
}

// For a copy that has an image at one end or at both.
cl_int PrepareCopy(Queue* queue, cl_mem from, cl_mem to) {
  const cl_int status = Prepare(queue, from, Use::kReads);
  return status != CL_SUCCESS ? status : Prepare(queue, to, Use::kChanges);
}

cl_int CL_API_CALL NdRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions, const size_t* offset,
                                 const size_t* global, const size_t* local, cl_uint num_events, const cl_event* events,
                                 cl_event* event) {
  const cl_int ready = PrepareLaunch(From<Queue>(queue), From<Kernel>(kernel));
  if (ready != CL_SUCCESS) return ready;
  return Enqueue(From<Queue>(queue), CallId::clEnqueueNDRangeKernel, event, [&](Encoder& call, cl_event* wanted) {
    return wire_cl::EncodeCall_clEnqueueNDRangeKernel(queue, kernel, dimensions, offset, global, local, num_events,
                                                      events, wanted, call);
  });
}

cl_int CL_API_CALL Task(cl_command_queue queue, cl_kernel kernel, cl_uint num_events, const cl_event* events,
                        cl_event* event) {
  const cl_int ready = PrepareLaunch(From<Queue>(queue), From<Kernel>(kernel));
  if (ready != CL_SUCCESS) return ready;
  return Enqueue(From<Queue>(queue), CallId::clEnqueueTask, event, [&](Encoder& call, cl_event* wanted) {
    return wire_cl::EncodeCall_clEnqueueTask(queue, kernel, num_events, events, wanted, call);
  });
}

cl_int CL_API_CALL FillBuffer(cl_command_queue queue, cl_mem buffer, const void* pattern, size_t pattern_size,
                              size_t offset, size_t size, cl_uint num_events, const cl_event* events, cl_event* event) {
  if (const cl_int status = Prepare(From<Queue>(queue), buffer, Use::kReplaces, offset, size); status != CL_SUCCESS)
    return status;
  return Enqueue(From<Queue>(queue), CallId::clEnqueueFillBuffer, event, [&](Encoder& call, cl_event* wanted) {
    return wire_cl::EncodeCall_clEnqueueFillBuffer(queue, buffer, pattern, pattern_size, offset, size, num_events,
                                                   events, wanted, call);
  });
}

cl_int CL_API_CALL FillImage(cl_command_queue queue, cl_mem image, const void* color, const size_t* origin,
                             const size_t* region, cl_uint num_events, const cl_event* events, cl_event* event) {
  if (const cl_int status = Prepare(From<Queue>(queue), image, Use::kChanges); status != CL_SUCCESS) return status;
  return Enqueue(From<Queue>(queue), CallId::clEnqueueFillImage, event, [&](Encoder& call, cl_event* wanted) {
    return wire_cl::EncodeCall_clEnqueueFillImage(queue, image, color, origin, region, num_events, events, wanted,
                                                  call);
  });
}

cl_int CL_API_CALL CopyBuffer(cl_command_queue queue, cl_mem from, cl_mem to, size_t from_offset, size_t to_offset,
                              size_t size, cl_uint num_events, const cl_event* events, cl_event* event) {
  Queue* const on = From<Queue>(queue);
  cl_int status = Prepare(on, from, Use::kReads, from_offset, size);
  if (status == CL_SUCCESS) status = Prepare(on, to, Use::kReplaces, to_offset, size);
  if (status != CL_SUCCESS) return status;
  return Enqueue(on, CallId::clEnqueueCopyBuffer, event, [&](Encoder& call, cl_event* wanted) {
    return wire_cl::EncodeCall_clEnqueueCopyBuffer(queue, from, to, from_offset, to_offset, size, num_events, events,
                                                   wanted, call);
  });
}

cl_int CL_API_CALL CopyBufferRect(cl_command_queue queue, cl_mem from, cl_mem to, const size_t* from_origin,
                                  const size_t* to_origin, const size_t* region, size_t from_row_pitch,
                                  size_t from_slice_pitch, size_t to_row_pitch, size_t to_slice_pitch,
                                  cl_uint num_events, const cl_event* events, cl_event* event) {
  Queue* const on = From<Queue>(queue);
  cl_int status = PrepareRect(on, from, Use::kReads, from_origin, region, from_row_pitch, from_slice_pitch);
  if (status == CL_SUCCESS)
    status = PrepareRect(on, to, Use::kChanges, to_origin, region, to_row_pitch, to_slice_pitch);
  if (status != CL_SUCCESS) return status;
  return Enqueue(on, CallId::clEnqueueCopyBufferRect, event, [&](Encoder& call, cl_event* wanted) {
    return wire_cl::EncodeCall_clEnqueueCopyBufferRect(queue, from, to, from_origin, to_origin, region, from_row_pitch,
                                                       from_slice_pitch, to_row_pitch, to_slice_pitch, num_events,
                                                       events, wanted, call);
  });
}

cl_int CL_API_CALL CopyImage(cl_command_queue queue, cl_mem from, cl_mem to, const size_t* from_origin,
                             const size_t* to_origin, const size_t* region, cl_uint num_events, const cl_event* events,
                             cl_event* event) {
  if (const cl_int status = PrepareCopy(From<Queue>(queue), from, to); status != CL_SUCCESS) return status;
  return Enqueue(From<Queue>(queue), CallId::clEnqueueCopyImage, event, [&](Encoder& call, cl_event* wanted) {
    return wire_cl::EncodeCall_clEnqueueCopyImage(queue, from, to, from_origin, to_origin, region, num_events, events,
                                                  wanted, call);
  });
}

cl_int CL_API_CALL CopyImageToBuffer(cl_command_queue queue, cl_mem from, cl_mem to, const size_t* origin,
                                     const size_t* region, size_t offset, cl_uint num_events, const cl_event* events,
                                     cl_event* event) {
  if (const cl_int status = PrepareCopy(From<Queue>(queue), from, to); status != CL_SUCCESS) return status;
  return Enqueue(From<Queue>(queue), CallId::clEnqueueCopyImageToBuffer, event, [&](Encoder& call, cl_event* wanted) {
    return wire_cl::EncodeCall_clEnqueueCopyImageToBuffer(queue, from, to, origin, region, offset, num_events, events,
                                                          wanted, call);
  });
}

cl_int CL_API_CALL CopyBufferToImage(cl_command_queue queue, cl_mem from, cl_mem to, size_t offset,
                                     const size_t* origin, const size_t* region, cl_uint num_events,
                                     const cl_event* events, cl_event* event) {
  if (const cl_int status = PrepareCopy(From<Queue>(queue), from, to); status != CL_SUCCESS) return status;
  return Enqueue(From<Queue>(queue), CallId::clEnqueueCopyBufferToImage, event, [&](Encoder& call, cl_event* wanted) {
    return wire_cl::EncodeCall_clEnqueueCopyBufferToImage(queue, from, to, offset, origin, region, num_events, events,
                                                          wanted, call);
  });
}

cl_int CL_API_CALL MigrateMemObjects(cl_command_queue queue, cl_uint count, const cl_mem* objects,
                                     cl_mem_migration_flags flags, cl_uint num_events, const cl_event* events,
                                     cl_event* event) {
  const bool undefined = (flags & CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED) != 0;
  for (cl_uint i = 0; i < count && (flags & CL_MIGRATE_MEM_OBJECT_HOST) == 0; ++i) {
    const cl_int status = Prepare(From<Queue>(queue), objects[i], undefined ? Use::kReplaces : Use::kReads);
    if (status != CL_SUCCESS) return status;
  }
  return Enqueue(From<Queue>(queue), CallId::clEnqueueMigrateMemObjects, event, [&](Encoder& call, cl_event* wanted) {
    return wire_cl::EncodeCall_clEnqueueMigrateMemObjects(queue, count, objects, flags, num_events, events, wanted,
                                                          call);
  });
}

cl_int CL_API_CALL MarkerWithWaitList(cl_command_queue queue, cl_uint num_events, const cl_event* events,
                                      cl_event* event) {
  return Enqueue(From<Queue>(queue), CallId::clEnqueueMarkerWithWaitList, event, [&](Encoder& call, cl_event* wanted) {
    return wire_cl::EncodeCall_clEnqueueMarkerWithWaitList(queue, num_events, events, wanted, call);
  });
}

cl_int CL_API_CALL BarrierWithWaitList(cl_command_queue queue, cl_uint num_events, const cl_event* events,
                                       cl_event* event) {
  return Enqueue(From<Queue>(queue), CallId::clEnqueueBarrierWithWaitList, event, [&](Encoder& call, cl_event* wanted) {
    return wire_cl::EncodeCall_clEnqueueBarrierWithWaitList(queue, num_events, events, wanted, call);
  });
}

}  // namespace

void FillCommandCalls(cl::DispatchTable* table) {
  table->clEnqueueNDRangeKernel = &NdRangeKernel;
  table->clEnqueueTask = &Task;
  table->clEnqueueFillBuffer = &FillBuffer;
  table->clEnqueueFillImage = &FillImage;
  table->clEnqueueCopyBuffer = &CopyBuffer;
  table->clEnqueueCopyBufferRect = &CopyBufferRect;
  table->clEnqueueCopyImage = &CopyImage;
  table->clEnqueueCopyImageToBuffer = &CopyImageToBuffer;
  table->clEnqueueCopyBufferToImage = &CopyBufferToImage;
  table->clEnqueueMigrateMemObjects = &MigrateMemObjects;
  table->clEnqueueMarkerWithWaitList = &MarkerWithWaitList;
  table->clEnqueueBarrierWithWaitList = &BarrierWithWaitList;
}

}  // namespace xpool::remote
