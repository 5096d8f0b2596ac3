#include "wire_opencl/svm_calls.h"

namespace xpool::wire_cl {
namespace {

uint64_t AddressOf(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

// What a command waits for, and whether it gets an event.
struct Sync {
  cl_uint num_events;
  const cl_event* wait_list;
  const cl_event* event;
};

// What every command has before, between and after what is its own. |first| and |second| are presence bits of its own.
void BeginCommand(const char* name, cl_command_queue queue, const Sync& sync, Encoder& call, bool first = false,
                  bool second = false) {
  call.Begin(name);
  call.Presence({sync.wait_list != nullptr, sync.event != nullptr, first, second});
  call.Handle("command_queue", ValueKind::kQueue, queue);
}
void PutEvents(const Sync& sync, Encoder& call) {
  call.Value(sync.num_events);
  call.Mint("event", ValueKind::kEvent, sync.event != nullptr);
}
absl::Status EndCommand(const Sync& sync, Encoder& call) {
  call.Handles("event_wait_list", ValueKind::kEvent, sync.wait_list, sync.num_events);
  return call.status();
}

void Addresses(const void* const* pointers, cl_uint count, Encoder& call) {
  if (count > kMaxElements) call.Refuse("svm_pointers", "has more elements than can cross");
  for (cl_uint i = 0; i < count && call.ok(); ++i) call.Value(AddressOf(pointers[i]));
}

absl::StatusOr<cl_int> StatusAlone(AnswerDecoder& answer) {
  static_cast<void>(answer.Failed());
  return answer.Finish();
}

}  // namespace

absl::Status EncodeCall_clSVMAlloc(cl_context context, cl_svm_mem_flags flags, size_t size, cl_uint alignment,
                                   uint64_t*, Encoder& call) {
  call.Begin("clSVMAlloc");
  call.Handle("context", ValueKind::kContext, context);
  call.Value(flags);
  call.Value(size);
  call.Value(alignment);
  call.WantAnswer(true);
  return call.status();
}

absl::StatusOr<cl_int> DecodeAnswer_clSVMAlloc(cl_context, cl_svm_mem_flags, size_t, cl_uint, uint64_t* address,
                                               AnswerDecoder& answer) {
  if (!answer.Failed()) answer.Elements("address", address, 1);
  return answer.Finish();
}

absl::Status EncodeCall_clSVMFree(cl_context context, uint64_t address, Encoder& call) {
  call.Begin("clSVMFree");
  call.Handle("context", ValueKind::kContext, context);
  call.Value(address);
  return call.status();
}

absl::Status EncodeCall_clSetKernelArgSVMPointer(cl_kernel kernel, cl_uint index, const void* pointer, Encoder& call) {
  call.Begin("clSetKernelArgSVMPointer");
  call.Handle("kernel", ValueKind::kKernel, kernel);
  call.Value(index);
  call.Value(AddressOf(pointer));
  return call.status();
}

absl::StatusOr<cl_int> DecodeAnswer_clSetKernelArgSVMPointer(cl_kernel, cl_uint, const void*, AnswerDecoder& answer) {
  return StatusAlone(answer);
}

absl::Status EncodeCall_clSetKernelExecInfo(cl_kernel kernel, cl_kernel_exec_info param, size_t size, const void* value,
                                            Encoder& call) {
  call.Begin("clSetKernelExecInfo");
  call.Require(value != nullptr, "param_value");
  call.Handle("kernel", ValueKind::kKernel, kernel);
  call.Value(param);
  call.Value(size);
  call.Data("param_value", value, DenseLayout(size));
  return call.status();
}

absl::StatusOr<cl_int> DecodeAnswer_clSetKernelExecInfo(cl_kernel, cl_kernel_exec_info, size_t, const void*,
                                                        AnswerDecoder& answer) {
  return StatusAlone(answer);
}

absl::Status EncodeCall_clEnqueueSVMFree(cl_command_queue queue, cl_uint count, void* const* pointers,
                                         cl_uint num_events, const cl_event* events, const cl_event* event,
                                         Encoder& call) {
  const Sync sync{num_events, events, event};
  BeginCommand("clEnqueueSVMFree", queue, sync, call);
  call.Value(count);
  PutEvents(sync, call);
  Addresses(pointers, count, call);
  call.WantAnswer(true);
  return EndCommand(sync, call);
}

absl::Status EncodeCall_clEnqueueSVMMemcpy(cl_command_queue queue, SvmEnd to, SvmEnd from, size_t size,
                                           cl_uint num_events, const cl_event* events, const cl_event* event,
                                           Encoder& call) {
  const Sync sync{num_events, events, event};
  BeginCommand("clEnqueueSVMMemcpy", queue, sync, call, to.shared, from.shared);
  call.Value(size);
  PutEvents(sync, call);
  if (to.shared) {
    call.Value(AddressOf(to.pointer));
  } else {
    call.Expect("dst_ptr", const_cast<void*>(to.pointer), DenseLayout(size));
  }
  if (from.shared) {
    call.Value(AddressOf(from.pointer));
  } else {
    call.Data("src_ptr", from.pointer, DenseLayout(size));
  }
  return EndCommand(sync, call);
}

absl::Status EncodeCall_clEnqueueSVMMemFill(cl_command_queue queue, const void* pointer, const void* pattern,
                                            size_t pattern_size, size_t size, cl_uint num_events,
                                            const cl_event* events, const cl_event* event, Encoder& call) {
  const Sync sync{num_events, events, event};
  BeginCommand("clEnqueueSVMMemFill", queue, sync, call);
  call.Require(pattern != nullptr, "pattern");
  call.Value(AddressOf(pointer));
  call.Value(pattern_size);
  call.Value(size);
  PutEvents(sync, call);
  call.Data("pattern", pattern, DenseLayout(pattern_size));
  return EndCommand(sync, call);
}

absl::Status EncodeCall_clEnqueueSVMMap(cl_command_queue queue, cl_map_flags flags, void* pointer, size_t size,
                                        cl_uint num_events, const cl_event* events, const cl_event* event,
                                        Encoder& call) {
  const Sync sync{num_events, events, event};
  BeginCommand("clEnqueueSVMMap", queue, sync, call);
  call.Value(flags);
  call.Value(AddressOf(pointer));
  call.Value(size);
  PutEvents(sync, call);
  if ((flags & CL_MAP_WRITE_INVALIDATE_REGION) == 0) call.Expect("svm_ptr", pointer, DenseLayout(size));
  return EndCommand(sync, call);
}

absl::Status EncodeCall_clEnqueueSVMUnmap(cl_command_queue queue, const void* pointer, size_t size, cl_uint num_events,
                                          const cl_event* events, const cl_event* event, Encoder& call) {
  const Sync sync{num_events, events, event};
  BeginCommand("clEnqueueSVMUnmap", queue, sync, call, size != 0);
  call.Value(AddressOf(pointer));
  call.Value(size);
  PutEvents(sync, call);
  if (size != 0) call.Data("svm_ptr", pointer, DenseLayout(size));
  return EndCommand(sync, call);
}

absl::Status EncodeCall_clEnqueueSVMMigrateMem(cl_command_queue queue, cl_uint count, const void* const* pointers,
                                               const size_t* sizes, cl_mem_migration_flags flags, cl_uint num_events,
                                               const cl_event* events, const cl_event* event, Encoder& call) {
  const Sync sync{num_events, events, event};
  BeginCommand("clEnqueueSVMMigrateMem", queue, sync, call, sizes != nullptr);
  call.Value(count);
  call.Value(flags);
  PutEvents(sync, call);
  Addresses(pointers, count, call);
  if (call.ok()) call.Elements("sizes", sizes, count);
  return EndCommand(sync, call);
}

}  // namespace xpool::wire_cl
