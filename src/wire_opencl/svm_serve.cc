#include <utility>

#include "wire_opencl/svm_calls.h"
#include "wire_opencl/svm_table.h"

namespace xpool::wire_cl {
namespace {

using Bytes = std::shared_ptr<std::byte[]>;

// Presence bits that every command has, and those of its own.
constexpr uint32_t kEvents = 1, kEvent = 2, kFirst = 4, kSecond = 8;

// What every command has.
struct Command {
  uint32_t given = 0;
  cl_command_queue queue = nullptr;
  cl_context context = nullptr;
  cl_uint num_events = 0;
  wire::WireHandle minted;
  const cl_event* events = nullptr;
  cl_event event = nullptr;
};

Command ReadHead(Decoder& in, ServerContext& server, int presence_bits) {
  Command command;
  command.given = in.Presence(presence_bits, 0);
  command.queue = in.Handle<cl_command_queue>("command_queue", ValueKind::kQueue, false, CL_INVALID_COMMAND_QUEUE);
  if (command.queue != nullptr) {
    server.api().clGetCommandQueueInfo(command.queue, CL_QUEUE_CONTEXT, sizeof(command.context), &command.context,
                                       nullptr);
  }
  return command;
}

void ReadEvents(Decoder& in, Command* command) {
  command->num_events = in.Value<cl_uint>("num_events_in_wait_list");
  command->minted = in.Minted("event", ValueKind::kEvent, (command->given & kEvent) != 0);
}

void ReadWaitList(Decoder& in, Command* command) {
  command->events = in.Handles<cl_event>("event_wait_list", ValueKind::kEvent, (command->given & kEvents) != 0,
                                         command->num_events, CL_INVALID_EVENT_WAIT_LIST);
}

// Ends a command that moves no bytes to or from the client.
absl::StatusOr<Served> End(Decoder& in, Answer& answer, const Command& command, cl_int status) {
  in.Made(ValueKind::kEvent, command.minted, command.event);
  answer.Status(status);
  return Served::kNow;
}

// The addresses at |addresses| as pointers; empty if one is none of |context|'s memory.
std::vector<void*> PointersTo(const SvmTable& svm, cl_context context, const uint64_t* addresses, uint64_t count) {
  std::vector<void*> pointers;
  for (uint64_t i = 0; addresses != nullptr && i < count; ++i) {
    const Bytes found = svm.Find(context, addresses[i], 1);
    if (found == nullptr) return {};
    pointers.push_back(found.get());
  }
  return pointers;
}

cl_context ContextOf(const cl::DispatchTable& api, cl_kernel kernel) {
  cl_context context = nullptr;
  api.clGetKernelInfo(kernel, CL_KERNEL_CONTEXT, sizeof(context), &context, nullptr);
  return context;
}

// The client frees, when it hears that the command is complete.
void CL_CALLBACK LeaveToClient(cl_command_queue, cl_uint, void**, void*) {}

}  // namespace

absl::StatusOr<Served> Serve_clSVMAlloc(Decoder& in, ServerContext& server, Answer& answer) {
  const auto context = in.Handle<cl_context>("context", ValueKind::kContext, false, CL_INVALID_CONTEXT);
  const auto flags = in.Value<cl_svm_mem_flags>("flags");
  const auto size = in.Value<size_t>("size");
  const auto alignment = in.Value<cl_uint>("alignment");
  if (!in.Ready()) return in.Refuse(answer);
  const auto address = reinterpret_cast<uint64_t>(server.svm().Allocate(context, flags, size, alignment));
  answer.Status(CL_SUCCESS);
  answer.Elements(&address, 1);
  return Served::kNow;
}

absl::StatusOr<Served> Serve_clSVMFree(Decoder& in, ServerContext& server, Answer& answer) {
  const auto context = in.Handle<cl_context>("context", ValueKind::kContext, false, CL_INVALID_CONTEXT);
  const auto address = in.Value<uint64_t>("svm_pointer");
  if (!in.Ready()) return in.Refuse(answer);
  if (!server.svm().Free(context, address)) return in.Refuse(answer, CL_INVALID_VALUE);
  server.svm().ReleaseFreed();
  answer.Status(CL_SUCCESS);
  return Served::kNow;
}

absl::StatusOr<Served> Serve_clSetKernelArgSVMPointer(Decoder& in, ServerContext& server, Answer& answer) {
  const auto kernel = in.Handle<cl_kernel>("kernel", ValueKind::kKernel, false, CL_INVALID_KERNEL);
  const auto index = in.Value<cl_uint>("arg_index");
  const auto address = in.Value<uint64_t>("arg_value");
  if (!in.Ready()) return in.Refuse(answer);
  const Bytes found = server.svm().Find(ContextOf(server.api(), kernel), address, 1);
  if (address != 0 && found == nullptr) return in.Refuse(answer, CL_INVALID_ARG_VALUE);
  answer.Status(server.api().clSetKernelArgSVMPointer(kernel, index, found.get()));
  return Served::kNow;
}

absl::StatusOr<Served> Serve_clSetKernelExecInfo(Decoder& in, ServerContext& server, Answer& answer) {
  const auto kernel = in.Handle<cl_kernel>("kernel", ValueKind::kKernel, false, CL_INVALID_KERNEL);
  const auto param = in.Value<cl_kernel_exec_info>("param_name");
  const auto size = in.Value<size_t>("param_value_size");
  const void* const value = in.Data("param_value", true, size);
  if (!in.Ready()) return in.Refuse(answer);
  if (param == CL_KERNEL_EXEC_INFO_SVM_PTRS) {
    const uint64_t count = size / sizeof(uint64_t);
    const auto* const addresses = static_cast<const uint64_t*>(value);
    const bool known = PointersTo(server.svm(), ContextOf(server.api(), kernel), addresses, count).size() == count;
    if (!known || size % sizeof(uint64_t) != 0) return in.Refuse(answer, CL_INVALID_VALUE);
  }
  answer.Status(server.api().clSetKernelExecInfo(kernel, param, size, value));
  return Served::kNow;
}

absl::StatusOr<Served> Serve_clEnqueueSVMFree(Decoder& in, ServerContext& server, Answer& answer) {
  Command command = ReadHead(in, server, 2);
  const auto count = in.Value<cl_uint>("num_svm_pointers");
  ReadEvents(in, &command);
  const auto* const addresses = in.Elements<uint64_t>("svm_pointers", true, count);
  ReadWaitList(in, &command);
  if (!in.Ready()) return in.Refuse(answer);
  std::vector<void*> pointers = PointersTo(server.svm(), command.context, addresses, count);
  if (pointers.size() != count) return in.Refuse(answer, CL_INVALID_VALUE);
  const cl_int status =
      server.api().clEnqueueSVMFree(command.queue, count, pointers.empty() ? nullptr : pointers.data(), &LeaveToClient,
                                    nullptr, command.num_events, command.events, &command.event);
  return in.Started(answer, status, command.minted, command.event, /*blocking=*/true, {}, {});
}

absl::StatusOr<Served> Serve_clEnqueueSVMMemcpy(Decoder& in, ServerContext& server, Answer& answer) {
  Command command = ReadHead(in, server, 4);
  const bool to_shared = (command.given & kFirst) != 0, from_shared = (command.given & kSecond) != 0;
  const auto size = in.Value<size_t>("size");
  ReadEvents(in, &command);
  const uint64_t to_address = to_shared ? in.Value<uint64_t>("dst_ptr") : 0;
  const uint64_t sequence = to_shared ? 0 : in.Sequence("dst_ptr", size);
  const uint64_t from_address = from_shared ? in.Value<uint64_t>("src_ptr") : 0;
  const Decoder::Promised source = in.PromisedData("src_ptr", !from_shared, size);
  ReadWaitList(in, &command);
  if (!in.Ready()) return in.Refuse(answer);
  Bytes from = source.storage.bytes, to;
  if (from_shared) from = server.svm().Find(command.context, from_address, size);
  if (to_shared) {
    to = server.svm().Find(command.context, to_address, size);
  } else if (absl::StatusOr<Storage> room = in.Room(size); room.ok()) {
    to = room->bytes;
  } else {
    return in.Refuse(answer, CL_OUT_OF_HOST_MEMORY);
  }
  if (from == nullptr || to == nullptr) return in.Refuse(answer, CL_INVALID_VALUE);
  const Decoder::Waits waits = in.WaitsFor(source, command.queue, command.num_events, command.events);
  const cl_int status = server.api().clEnqueueSVMMemcpy(command.queue, CL_FALSE, to.get(), from.get(), size,
                                                        waits.count, waits.events, &command.event);
  Reply reply;
  if (!to_shared) reply = {to.get(), DenseLayout(size), sequence};
  const auto both = std::make_shared<std::pair<Bytes, Bytes>>(from, to);
  return in.Started(answer, status, command.minted, command.event, /*blocking=*/false, {{both, to.get()}, size}, reply);
}

absl::StatusOr<Served> Serve_clEnqueueSVMMemFill(Decoder& in, ServerContext& server, Answer& answer) {
  Command command = ReadHead(in, server, 2);
  const auto address = in.Value<uint64_t>("svm_ptr");
  const auto pattern_size = in.Value<size_t>("pattern_size");
  const auto size = in.Value<size_t>("size");
  ReadEvents(in, &command);
  const void* const pattern = in.Data("pattern", true, pattern_size);
  ReadWaitList(in, &command);
  if (!in.Ready()) return in.Refuse(answer);
  const Bytes found = server.svm().Find(command.context, address, size);
  if (found == nullptr) return in.Refuse(answer, CL_INVALID_VALUE);
  const cl_int status =
      server.api().clEnqueueSVMMemFill(command.queue, found.get(), pattern, pattern_size, size, command.num_events,
                                       command.events, in.EventOut(command.minted, &command.event));
  return End(in, answer, command, status);
}

absl::StatusOr<Served> Serve_clEnqueueSVMMap(Decoder& in, ServerContext& server, Answer& answer) {
  Command command = ReadHead(in, server, 2);
  const auto flags = in.Value<cl_map_flags>("flags");
  const auto address = in.Value<uint64_t>("svm_ptr");
  const auto size = in.Value<size_t>("size");
  ReadEvents(in, &command);
  const bool filled = (flags & CL_MAP_WRITE_INVALIDATE_REGION) == 0;
  const uint64_t sequence = filled ? in.Sequence("svm_ptr", size) : 0;
  ReadWaitList(in, &command);
  if (!in.Ready()) return in.Refuse(answer);
  const Bytes found = server.svm().Find(command.context, address, size);
  if (found == nullptr) return in.Refuse(answer, CL_INVALID_VALUE);
  cl_event* const event = filled ? &command.event : in.EventOut(command.minted, &command.event);
  const cl_int status = server.api().clEnqueueSVMMap(command.queue, CL_FALSE, flags, found.get(), size,
                                                     command.num_events, command.events, event);
  if (!filled) return End(in, answer, command, status);
  const Reply reply{found.get(), DenseLayout(size), sequence};
  return in.Started(answer, status, command.minted, command.event, /*blocking=*/false, {found, size}, reply);
}

absl::StatusOr<Served> Serve_clEnqueueSVMUnmap(Decoder& in, ServerContext& server, Answer& answer) {
  Command command = ReadHead(in, server, 3);
  const bool written = (command.given & kFirst) != 0;
  const auto address = in.Value<uint64_t>("svm_ptr");
  const auto size = in.Value<size_t>("size");
  ReadEvents(in, &command);
  const Decoder::Promised bytes = in.PromisedData("svm_ptr", written, size);
  ReadWaitList(in, &command);
  if (!in.Ready()) return in.Refuse(answer);
  const Bytes found = server.svm().Find(command.context, address, written ? size : 1);
  if (found == nullptr) return in.Refuse(answer, CL_INVALID_VALUE);
  const Decoder::Waits waits = in.WaitsForBytesAt(found, bytes, command.queue, command.num_events, command.events);
  const cl_int status = server.api().clEnqueueSVMUnmap(command.queue, found.get(), waits.count, waits.events,
                                                       in.EventOut(command.minted, &command.event));
  return End(in, answer, command, status);
}

absl::StatusOr<Served> Serve_clEnqueueSVMMigrateMem(Decoder& in, ServerContext& server, Answer& answer) {
  Command command = ReadHead(in, server, 3);
  const auto count = in.Value<cl_uint>("num_svm_pointers");
  const auto flags = in.Value<cl_mem_migration_flags>("flags");
  ReadEvents(in, &command);
  const auto* const addresses = in.Elements<uint64_t>("svm_pointers", true, count);
  const auto* const sizes = in.Elements<size_t>("sizes", (command.given & kFirst) != 0, count);
  ReadWaitList(in, &command);
  if (!in.Ready()) return in.Refuse(answer);
  const SvmTable& svm = server.svm();
  std::vector<void*> pointers = PointersTo(svm, command.context, addresses, count);
  bool known = pointers.size() == count;
  for (cl_uint i = 0; known && sizes != nullptr && i < count; ++i)
    known = sizes[i] <= svm.BytesFrom(command.context, addresses[i]);
  if (!known) return in.Refuse(answer, CL_INVALID_VALUE);
  const cl_int status = server.api().clEnqueueSVMMigrateMem(
      command.queue, count, const_cast<const void**>(pointers.data()), sizes, flags, command.num_events, command.events,
      in.EventOut(command.minted, &command.event));
  return End(in, answer, command, status);
}

}  // namespace xpool::wire_cl
