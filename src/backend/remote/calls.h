// What the driver's functions are made of: sending a call with its arguments, asking and waiting, and remembering
// answers that never change. For this folder's api_*.cc.
#pragma once

#include <CL/cl.h>

#include <span>
#include <utility>

#include "backend/remote/cl_link.h"
#include "backend/remote/objects.h"
#include "backend/remote/pending_data.h"
#include "backend/remote/platform.h"
#include "generated/opencl/wire_codec.h"
#include "opencl/info.h"

// Posts the call |name| with the arguments that follow, encoded as the spec says; a StatusOr<sequence>.
#define XPOOL_SEND(link, options, name, ...)            \
  (link)->Call(::xpool::wire_cl::CallId::name, options, \
               [&](wire_cl::Encoder& encoder) { return ::xpool::wire_cl::EncodeCall_##name(__VA_ARGS__, encoder); })

// The same, and waits for the answer, which fills in the out parameters: OpenCL's status.
#define XPOOL_ASK(link, options, name, ...)                                                                 \
  (link)->Ask(                                                                                              \
      ::xpool::wire_cl::CallId::name, options,                                                              \
      [&](wire_cl::Encoder& encoder) { return ::xpool::wire_cl::EncodeCall_##name(__VA_ARGS__, encoder); }, \
      [&](wire_cl::AnswerDecoder& decoder) { return ::xpool::wire_cl::DecodeAnswer_##name(__VA_ARGS__, decoder); })

namespace xpool::remote {

using CallOptions = ClLink::CallOptions;

template <typename Handle>
Handle Fail(cl_int* errcode_ret, cl_int status) {
  if (errcode_ret != nullptr) *errcode_ret = status;
  return nullptr;
}

// Hands |object| with its first reference to the caller, or drops it with |status|.
template <typename Handle>
Handle Return(Object* object, cl_int status, cl_int* errcode_ret) {
  if (errcode_ret != nullptr) *errcode_ret = status;
  if (status == CL_SUCCESS) return To<Handle>(object);
  Unref(object);
  return nullptr;
}

// Makes |object| by |make|(link, options) on each node behind |links|; the first error.
template <typename Make>
cl_int MakeOn(std::span<ClLink* const> links, Object* object, const Make& make) {
  Object* const makes[] = {object};
  for (ClLink* const link : links) {
    CallOptions options;
    options.makes = makes;
    if (const cl_int status = make(link, options); status != CL_SUCCESS) return status;
  }
  return CL_SUCCESS;
}

// Answers from |memory|; what is not there yet is asked for by |ask|(size, value, size_ret). |key| says what was asked.
template <typename AskFor>
cl_int Remembered(InfoMemory* memory, uint64_t key, size_t size, void* value, size_t* size_ret, const AskFor& ask) {
  const InfoMemory::Bytes* known = memory->Find(key);
  if (known == nullptr) {
    InfoMemory::Bytes bytes(1024);
    size_t needed = 0;
    cl_int status = ask(bytes.size(), bytes.data(), &needed);
    if (status == CL_INVALID_VALUE) {  // longer, or no such query
      status = ask(0, nullptr, &needed);
      if (status != CL_SUCCESS) return status;
      bytes.resize(needed);
      status = ask(bytes.size(), bytes.data(), &needed);
    }
    if (status != CL_SUCCESS) return status;
    bytes.resize(std::min(bytes.size(), needed));
    known = memory->Keep(key, std::move(bytes));
  }
  return InfoOut(size, value, size_ret).Bytes(known->data(), known->size());
}

// Keys of Remembered(): a call with what it was asked, and about what.
inline uint64_t InfoKey(wire_cl::CallId call, uint64_t param, uint64_t about = 0) {
  return static_cast<uint64_t>(call) << 56 ^ about << 32 ^ param;
}

template <typename T>
cl_int Retain(T* object) {
  object->refs.fetch_add(1, std::memory_order_relaxed);
  return CL_SUCCESS;
}
inline cl_int Release(Object* object) {
  Unref(object);
  return CL_SUCCESS;
}

// --- The driver's functions, by file --------------------------------------------------------------------------------

void FillPlatformCalls(cl::DispatchTable* table);  // api_platform.cc: platforms, devices, contexts
void FillQueueCalls(cl::DispatchTable* table);     // api_queue.cc: queues, synchronisation, events
void FillMemoryCalls(cl::DispatchTable* table);    // api_memory.cc: buffers, images, samplers
void FillProgramCalls(cl::DispatchTable* table);   // api_program.cc
void FillKernelCalls(cl::DispatchTable* table);    // api_kernel.cc
void FillTransferCalls(cl::DispatchTable* table);  // api_transfer.cc: reading and writing
void FillMapCalls(cl::DispatchTable* table);       // api_map.cc
void FillCommandCalls(cl::DispatchTable* table);   // api_command.cc: launches, copies, fills, markers
void FillSvmCalls(cl::DispatchTable* table);       // api_svm.cc: shared virtual memory

// --- Commands -------------------------------------------------------------------------------------------------------

// Waits for all of |queue|; clFinish's status.
cl_int AwaitAll(Queue* queue);
// Before a transfer, which may need memory of its own in the worker or its driver: waits when too much is under way.
// The shim sends no command that waits for the program, so what was sent ends by itself.
void AwaitRoomForTransfer(Queue* queue);

// Posts a command that brings nothing on |queue| by |encode|(Encoder&, event): |event| is not NULL if the worker is to
// make one. |mapping|: of a map (that discards what was there), else nullptr.
template <typename Encode>
cl_int Enqueue(Queue* queue, wire_cl::CallId id, cl_event* event, const Encode& encode,
               HostMapping* mapping = nullptr) {
  auto* const made = event == nullptr ? nullptr : new Event(queue);
  Object* const makes[] = {made};
  CallOptions options;
  options.mapping = mapping;
  options.event = made;
  if (made != nullptr) options.makes = makes;
  cl_event wanted = nullptr;
  const absl::StatusOr<uint64_t> sent = queue->link->Call(
      id, options, [&](wire_cl::Encoder& encoder) { return encode(encoder, made == nullptr ? nullptr : &wanted); });
  if (sent.ok() && made != nullptr) *event = To<cl_event>(made);
  if (!sent.ok()) Unref(made);
  return ErrorOf(sent.status());
}

// The same of one whose data comes back, to where |encode| says that it goes. A |mapping| gets the command's event,
// even if the program wants none.
template <typename Encode>
cl_int EnqueueForData(Queue* queue, wire_cl::CallId id, cl_event* event, const Encode& encode,
                      HostMapping* mapping = nullptr) {
  AwaitRoomForTransfer(queue);
  auto* const made = new Event(queue);
  made->brings_data = true;
  auto* const data = new PendingData(queue->link, made);
  Object* const makes[] = {made};
  CallOptions options;
  if (event != nullptr) options.makes = makes;
  options.event = made;  // finishing the queue waits for it in any case
  options.mapping = mapping;
  options.answer = data;
  options.expected = data->expected();
  options.bulk_arrived = [data](const absl::Status& status) { data->BulkArrived(status); };
  cl_event wanted = nullptr;
  const absl::StatusOr<uint64_t> sent = queue->link->Call(id, options, [&](wire_cl::Encoder& encoder) {
    const absl::Status status = encode(encoder, event == nullptr ? nullptr : &wanted);
    made->by_bulk = encoder.expected().sequence != 0;
    if (made->by_bulk) queue->transfer_bytes += encoder.expected().target.layout.bytes();
    if (!made->by_bulk) data->SetNoBulk();
    if (mapping != nullptr) data->Keep(mapping->owned);
    return status;
  });
  if (!sent.ok()) {
    // Nothing was sent, so that nothing will come.
    if (made->by_bulk) queue->link->link().bulk().Cancel(data->expected()->sequence);
    data->Drop();
    Unref(made);
    return ErrorOf(sent.status());
  }
  if (mapping != nullptr) mapping->filled = Ref<Event>(made);
  if (event != nullptr) {
    *event = To<cl_event>(made);
  } else {
    Unref(made);
  }
  return CL_SUCCESS;
}

}  // namespace xpool::remote
