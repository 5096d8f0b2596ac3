// Large reads and writes of buffers: through a mapping of the driver's, from and to which the bulk lane sends and
// receives directly. The worker then needs no memory for them, and a driver that shares its memory with the host copies
// nothing.
//
//   write   map (discarding)  -> the bytes arrive -> [gate opens] -> unmap, the command whose event the client has
//   read    marker -> steps of the buffer are mapped, sent, unmapped by a queue of the read's own -> [gate opens] ->
//           marker, the command whose event the client has
// The gate is a user event: a command that waits for one holds no lease, and the commands behind it keep their order.
// In steps, as a driver that does not share its memory makes some for each mapping: small pieces are used again, and
// the next is filled while one is sent.

#include <algorithm>
#include <utility>

#include "worker/mapped_steps.h"
#include "worker/opencl_server.h"

namespace xpool::worker {

using wire_cl::Served;
using wire_cl::ValueKind;

namespace {

// The parameters that both calls have, in the order of the codec (generated/opencl/wire_serve.cc).
struct Transfer {
  uint32_t given = 0;
  cl_command_queue queue = nullptr;
  cl_mem buffer = nullptr;
  cl_bool blocking = CL_FALSE;
  size_t offset = 0, size = 0;
  cl_uint num_events = 0;
  wire::WireHandle minted;
  const cl_event* events = nullptr;
};

Transfer ReadHead(wire_cl::Decoder& in) {
  Transfer call;
  call.given = in.Presence(3, 1);
  call.queue = in.Handle<cl_command_queue>("command_queue", ValueKind::kQueue, false, CL_INVALID_COMMAND_QUEUE);
  call.buffer = in.Handle<cl_mem>("buffer", ValueKind::kMem, false, CL_INVALID_MEM_OBJECT);
  call.blocking = in.Value<cl_bool>("blocking");
  call.offset = in.Value<size_t>("offset");
  call.size = in.Value<size_t>("size");
  call.num_events = in.Value<cl_uint>("num_events_in_wait_list");
  call.minted = in.Minted("event", ValueKind::kEvent, (call.given & 4) != 0);
  return call;
}

void ReadWaitList(wire_cl::Decoder& in, Transfer* call) {
  call->events = in.Handles<cl_event>("event_wait_list", ValueKind::kEvent, (call->given & 2) != 0, call->num_events,
                                      CL_INVALID_EVENT_WAIT_LIST);
}

}  // namespace

struct OpenClServer::SteppedRead {
  OpenClServer* server;
  Current call;
  HeldBuffer buffer;  // by a queue of its own
  uint64_t offset, bytes;
  uint64_t transfer;
  cl_event gate;  // owned
};

absl::StatusOr<Served> OpenClServer::ServeLargeRead(wire_cl::Decoder& in, wire_cl::Answer& answer) {
  Transfer call = ReadHead(in);
  const uint64_t transfer = in.Sequence("ptr", call.size);
  ReadWaitList(in, &call);
  if (!in.Ready()) return in.Refuse(answer);
  size_t buffer_bytes = 0;
  cl_int status = api().clGetMemObjectInfo(call.buffer, CL_MEM_SIZE, sizeof(buffer_bytes), &buffer_bytes, nullptr);
  if (status == CL_SUCCESS && (call.offset > buffer_bytes || call.size > buffer_bytes - call.offset))
    status = CL_INVALID_VALUE;
  if (status != CL_SUCCESS) return in.Refuse(answer, status);
  cl_event ready = nullptr, done = nullptr;
  absl::StatusOr<HeldBuffer> buffer = HoldAside(call.queue, call.buffer);
  const cl_event gate = buffer.ok() ? NewGate(call.queue) : nullptr;
  if (gate == nullptr) return in.Refuse(answer, CL_OUT_OF_HOST_MEMORY);
  status = api().clEnqueueMarkerWithWaitList(call.queue, call.num_events, call.events, &ready);
  if (status == CL_SUCCESS) status = api().clEnqueueMarkerWithWaitList(call.queue, 1, &gate, &done);
  if (status != CL_SUCCESS) {
    if (ready != nullptr) api().clReleaseEvent(ready);
    api().clReleaseEvent(gate);
    return in.Refuse(answer, status);
  }
  in.Made(ValueKind::kEvent, call.minted, call.minted.is_null() ? nullptr : done);
  if (call.minted.is_null()) api().clReleaseEvent(done);
  auto read = std::make_unique<SteppedRead>(
      SteppedRead{this, current_, *std::move(buffer), call.offset, call.size, transfer, gate});
  const auto begin = [](cl_event, cl_int ended, void* user_data) {
    std::unique_ptr<SteppedRead> waiting(static_cast<SteppedRead*>(user_data));
    OpenClServer* const server = waiting->server;
    server->sender_->Add(
        [server, waiting = std::move(waiting), ended]() mutable { server->SendStepped(*waiting, ended); });
  };
  if (CallWhenDone(ready, begin, read.get())) {
    static_cast<void>(read.release());
  } else {
    SendStepped(*read, CL_OUT_OF_RESOURCES);
  }
  api().clReleaseEvent(ready);
  return Served::kLater;
}

// With a queue of its own: that of the command stands still until its gate opens.
absl::StatusOr<HeldBuffer> OpenClServer::HoldAside(cl_command_queue queue, cl_mem buffer) const {
  cl_context context = nullptr;
  cl_device_id device = nullptr;
  api().clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof(context), &context, nullptr);
  api().clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof(device), &device, nullptr);
  cl_int status = CL_SUCCESS;
  const cl_command_queue aside = api().clCreateCommandQueue(context, device, 0, &status);
  if (status != CL_SUCCESS) return absl::ResourceExhaustedError("the driver has no queue left");
  HeldBuffer held(api(), aside, buffer);
  api().clReleaseCommandQueue(aside);
  return held;
}

// On the sender's thread. The bytes come before the answer, which says how it went.
void OpenClServer::SendStepped(const SteppedRead& read, cl_int status) {
  if (status >= 0) status = SendSteps(read);
  SendPrinted();
  OpenGate(read.gate, status < 0 ? status : CL_COMPLETE);
  wire::Writer out;
  out.I32(status < 0 ? status : CL_SUCCESS);
  if (status >= 0) out.U64(read.bytes);
  PostAnswer(read.call.call, read.call.sequence, out.buffer(), lane::Lane::Urgency::kNow);
}

cl_int OpenClServer::SendSteps(const SteppedRead& read) {
  MappedSteps steps(read.buffer, CL_MAP_READ, read.offset, read.bytes);
  absl::StatusOr<std::span<std::byte>> step = steps.Next();
  if (!step.ok()) return CL_OUT_OF_RESOURCES;
  bulk_->Announce(read.transfer, read.bytes);
  uint64_t sent = 0;
  for (; step.ok() && !step->empty(); step = steps.Next()) {
    if (!bulk_->SendPart(*step).ok()) return CL_OUT_OF_RESOURCES;
    sent += step->size();
  }
  if (step.ok()) return CL_SUCCESS;
  // What was announced has to come: the answer says that it is worth nothing.
  const std::vector<std::byte> nothing(MappedSteps::kStepBytes);
  while (sent < read.bytes) {
    const size_t bytes = std::min<uint64_t>(read.bytes - sent, nothing.size());
    if (!bulk_->SendPart(std::span(nothing).first(bytes)).ok()) break;
    sent += bytes;
  }
  return CL_OUT_OF_RESOURCES;
}

absl::StatusOr<Served> OpenClServer::ServeLargeWrite(wire_cl::Decoder& in, wire_cl::Answer& answer) {
  Transfer call = ReadHead(in);
  const uint64_t transfer = in.NamedTransfer("ptr", call.size);
  ReadWaitList(in, &call);
  if (!in.Ready()) {
    if (transfer != 0) bulk_->Discard(transfer);
    return in.Refuse(answer);
  }
  cl_int status = CL_SUCCESS;
  cl_event mapped = nullptr, written = nullptr;
  void* const data = api().clEnqueueMapBuffer(call.queue, call.buffer, CL_FALSE, CL_MAP_WRITE_INVALIDATE_REGION,
                                              call.offset, call.size, call.num_events, call.events, &mapped, &status);
  const cl_event gate = data == nullptr ? nullptr : NewGate(call.queue);
  if (gate != nullptr) {
    status = api().clEnqueueUnmapMemObject(call.queue, call.buffer, data, 1, &gate, &written);
  } else if (data != nullptr) {
    status = CL_OUT_OF_HOST_MEMORY;
  }
  if (status != CL_SUCCESS) {
    bulk_->Discard(transfer);
    if (gate != nullptr) api().clReleaseEvent(gate);
    if (mapped != nullptr) api().clReleaseEvent(mapped);
    return in.Refuse(answer, status);
  }
  struct MappedWrite {
    OpenClServer* server;
    std::span<std::byte> target;
    uint64_t transfer;
    cl_event gate;
  };
  auto write =
      std::make_unique<MappedWrite>(MappedWrite{this, {static_cast<std::byte*>(data), call.size}, transfer, gate});
  const auto ready = [](cl_event, cl_int ended, void* user_data) {
    const std::unique_ptr<MappedWrite> mapping(static_cast<MappedWrite*>(user_data));
    OpenClServer& server = *mapping->server;
    const cl_event opened = mapping->gate;
    if (ended < 0) {
      server.bulk_->Discard(mapping->transfer);
      return server.OpenGate(opened, ended);
    }
    server.bulk_->Expect(mapping->transfer, mapping->target, [&server, opened](const absl::Status& arrived) {
      server.OpenGate(opened, arrived.ok() ? CL_COMPLETE : CL_OUT_OF_RESOURCES);
    });
  };
  if (CallWhenDone(mapped, ready, write.get())) {
    static_cast<void>(write.release());
  } else {
    bulk_->Discard(transfer);
    OpenGate(gate, CL_OUT_OF_RESOURCES);
  }
  api().clReleaseEvent(mapped);
  return in.Started(answer, CL_SUCCESS, call.minted, written, call.blocking != CL_FALSE, {}, {});
}

}  // namespace xpool::worker
