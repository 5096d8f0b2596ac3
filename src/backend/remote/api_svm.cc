// Shared virtual memory: a worker allocates it, and the same addresses are reserved here (svm_space.h). It is
// coarse-grained: the program touches it between mapping and unmapping only, which is when its bytes travel. A copy
// may have memory of the program's own at either end.

#include <algorithm>

#include "backend/remote/callback_thread.h"
#include "backend/remote/calls.h"
#include "backend/remote/svm_space.h"
#include "wire/reader.h"

namespace xpool::remote {

using wire_cl::CallId;
using wire_cl::Encoder;
using wire_cl::SvmEnd;

namespace {

// How often a worker is asked for memory at an address that is free here.
constexpr size_t kMostTries = 64;

SvmSpace& Space() { return SvmSpace::OfProcess(); }

void FreeAt(ClLink* link, cl_context context, uint64_t address) {
  XPOOL_SEND(link, {}, clSVMFree, context, address).IgnoreError();  // a link that is lost has nothing to free
}

// Memory of several nodes at the same address could not be kept the same.
void* CL_API_CALL SvmAlloc(cl_context context, cl_svm_mem_flags flags, size_t size, cl_uint alignment) {
  Context* const own = From<Context>(context);
  constexpr cl_svm_mem_flags kFine = CL_MEM_SVM_FINE_GRAIN_BUFFER | CL_MEM_SVM_ATOMICS;
  if (own->spans_nodes() || (flags & kFine) != 0) return nullptr;
  ClLink* const link = own->links.front();
  std::vector<uint64_t> unusable;  // kept until the end, so that the worker finds others
  void* found = nullptr;
  while (found == nullptr && unusable.size() < kMostTries) {
    uint64_t address = 0;
    const cl_int status = XPOOL_ASK(link, {}, clSVMAlloc, context, flags, size, alignment, &address);
    if (status != CL_SUCCESS || address == 0) break;
    if (Space().Add(own, address, size).ok()) {
      found = reinterpret_cast<void*>(address);
    } else {
      unusable.push_back(address);
    }
  }
  for (const uint64_t address : unusable) FreeAt(link, context, address);
  return found;
}

void CL_API_CALL SvmFree(cl_context context, void* pointer) {
  Context* const own = From<Context>(context);
  // Given back here first: the worker may allocate at this address again as soon as it has freed it.
  if (Space().Remove(own, pointer)) FreeAt(own->links.front(), context, reinterpret_cast<uint64_t>(pointer));
}

// --- Kernels --------------------------------------------------------------------------------------------------------

// Whether the worker will surely take a pointer for argument |index|.
bool TakesPointer(const Kernel& kernel, cl_uint index) {
  if (kernel.sheet == nullptr || !kernel.sheet->args[index].has_info) return false;
  const cl_uint address = kernel.sheet->args[index].address;
  const bool pointer = address == CL_KERNEL_ARG_ADDRESS_GLOBAL || address == CL_KERNEL_ARG_ADDRESS_CONSTANT;
  return pointer && kernel.sheet->args[index].takes == wire_cl::ArgSheet::Takes::kMem;
}

// The worker's kernel gets another value than was last set as bytes or as an object.
void ForgetArgument(Kernel* kernel, cl_uint index) {
  MutexLock lock(&kernel->mutex);
  if (index < kernel->arguments.size()) kernel->arguments[index] = {};
}

cl_int CL_API_CALL SetKernelArgSvmPointer(cl_kernel kernel, cl_uint index, const void* pointer) {
  Kernel* const own = From<Kernel>(kernel);
  Context* const context = own->program->context.get();
  if (own->sheet != nullptr && index >= own->sheet->args.size()) return CL_INVALID_ARG_INDEX;
  if (pointer != nullptr && Space().Find(context, pointer, 1) == nullptr) return CL_INVALID_ARG_VALUE;
  ForgetArgument(own, index);
  for (ClLink* const link : context->links) {
    const cl_int status = TakesPointer(*own, index)
                              ? ErrorOf(XPOOL_SEND(link, {}, clSetKernelArgSVMPointer, kernel, index, pointer).status())
                              : XPOOL_ASK(link, {}, clSetKernelArgSVMPointer, kernel, index, pointer);
    if (status != CL_SUCCESS) return status;
  }
  return CL_SUCCESS;
}

// --- Freeing in a queue ---------------------------------------------------------------------------------------------

// The answer to clEnqueueSVMFree: the memory is no longer used, and the program's callback frees it. The command is
// complete when that has returned.
class FreeCommand final : public Link::Answer {
 public:
  FreeCommand(Event* event, cl::SvmFreeCallback callback, void* user_data, std::vector<void*> pointers)
      : event_(event), callback_(callback), user_data_(user_data), pointers_(std::move(pointers)) {}

  // When the link is lost, the program still has to free its side.
  void Arrived(const absl::StatusOr<std::span<const std::byte>>& payload) override {
    cl_int status = CL_OUT_OF_RESOURCES;
    if (payload.ok()) {
      wire::Reader reader(*payload, "answer");
      status = reader.I32("status");
    }
    const bool due = !payload.ok() || status == CL_SUCCESS;
    RunCallback([this, due, status] { Run(due, status); });
  }
  // The call was not sent.
  void Drop() { delete this; }

 private:
  ~FreeCommand() override = default;

  void Run(bool due, cl_int status) {
    Queue* const queue = event_->queue.get();
    Link& link = queue->link->link();
    if (due)
      callback_(To<cl_command_queue>(queue), static_cast<cl_uint>(pointers_.size()), pointers_.data(), user_data_);
    event_->End(status);
    delete this;
    link.Progress();
  }

  const Ref<Event> event_;
  const cl::SvmFreeCallback callback_;
  void* const user_data_;
  std::vector<void*> pointers_;
};

cl_int CL_API_CALL EnqueueSvmFree(cl_command_queue queue, cl_uint count, void** pointers, cl::SvmFreeCallback callback,
                                  void* user_data, cl_uint num_events, const cl_event* events, cl_event* event) {
  Queue* const own = From<Queue>(queue);
  const auto is_shared = [&](const void* pointer) { return Space().Find(own->context.get(), pointer, 1) != nullptr; };
  if (callback == nullptr || !std::all_of(pointers, pointers + count, is_shared)) return CL_INVALID_VALUE;
  auto* const made = new Event(own);
  made->brings_data = true;  // it ends here, and on another thread than the one that reads
  made->by_bulk = true;
  auto* const command = new FreeCommand(made, callback, user_data, std::vector<void*>(pointers, pointers + count));
  Object* const makes[] = {made};
  CallOptions options;
  if (event != nullptr) options.makes = makes;
  options.event = made;
  options.answer = command;
  const absl::StatusOr<uint64_t> sent =
      XPOOL_SEND(own->link, options, clEnqueueSVMFree, queue, count, pointers, num_events, events, event);
  if (!sent.ok()) command->Drop();
  if (sent.ok() && event != nullptr) {
    *event = To<cl_event>(made);
  } else {
    Unref(made);
  }
  return ErrorOf(sent.status());
}

// --- Copies and fills -----------------------------------------------------------------------------------------------

// CL_INVALID_VALUE if the bytes begin in an allocation of |context| and end outside.
cl_int ReadEnd(const Context* context, const void* pointer, size_t size, SvmEnd* end) {
  *end = {pointer, Space().Find(context, pointer, 1) != nullptr};
  return end->shared && Space().Find(context, pointer, size) == nullptr ? CL_INVALID_VALUE : CL_SUCCESS;
}

cl_int CL_API_CALL SvmMemcpy(cl_command_queue queue, cl_bool, void* dst, const void* src, size_t size,
                             cl_uint num_events, const cl_event* events, cl_event* event) {
  Queue* const own = From<Queue>(queue);
  SvmEnd to, from;
  cl_int status = ReadEnd(own->context.get(), dst, size, &to);
  if (status == CL_SUCCESS) status = ReadEnd(own->context.get(), src, size, &from);
  if (status != CL_SUCCESS) return status;
  const auto encode = [&](Encoder& call, cl_event* wanted) {
    return wire_cl::EncodeCall_clEnqueueSVMMemcpy(queue, to, from, size, num_events, events, wanted, call);
  };
  status = to.shared ? Enqueue(own, CallId::clEnqueueSVMMemcpy, event, encode)
                     : EnqueueForData(own, CallId::clEnqueueSVMMemcpy, event, encode);
  // The program leaves its memory alone until the copy's event is complete, and that needs the bytes.
  if (status == CL_SUCCESS && !from.shared) own->link->SendPendingLater([] {});
  return status;
}

cl_int CL_API_CALL SvmMemFill(cl_command_queue queue, void* pointer, const void* pattern, size_t pattern_size,
                              size_t size, cl_uint num_events, const cl_event* events, cl_event* event) {
  Queue* const own = From<Queue>(queue);
  if (Space().Find(own->context.get(), pointer, size) == nullptr) return CL_INVALID_VALUE;
  return Enqueue(own, CallId::clEnqueueSVMMemFill, event, [&](Encoder& call, cl_event* wanted) {
    return wire_cl::EncodeCall_clEnqueueSVMMemFill(queue, pointer, pattern, pattern_size, size, num_events, events,
                                                   wanted, call);
  });
}

cl_int CL_API_CALL SvmMigrate(cl_command_queue queue, cl_uint count, const void** pointers, const size_t* sizes,
                              cl_mem_migration_flags flags, cl_uint num_events, const cl_event* events,
                              cl_event* event) {
  Queue* const own = From<Queue>(queue);
  for (cl_uint i = 0; i < count; ++i) {
    const size_t bytes = sizes == nullptr ? 1 : std::max<size_t>(1, sizes[i]);
    if (Space().Find(own->context.get(), pointers[i], bytes) == nullptr) return CL_INVALID_VALUE;
  }
  return Enqueue(own, CallId::clEnqueueSVMMigrateMem, event, [&](Encoder& call, cl_event* wanted) {
    return wire_cl::EncodeCall_clEnqueueSVMMigrateMem(queue, count, pointers, sizes, flags, num_events, events, wanted,
                                                      call);
  });
}

// --- Mapping --------------------------------------------------------------------------------------------------------

// As the memory of a command whose bytes are on their way.
std::shared_ptr<std::byte[]> Keeping(const SvmSpace::Held& allocation) { return {allocation, allocation->data}; }

// Maps what the program wants to see as it was; its bytes come with the answer.
cl_int MapFilled(Queue* queue, const SvmSpace::Held& allocation, SvmSpace::Mapping* mapping, cl_event* event,
                 absl::FunctionRef<absl::Status(Encoder&, cl_event*)> encode) {
  HostMapping host;
  host.owned = Keeping(allocation);
  const cl_int status = EnqueueForData(queue, CallId::clEnqueueSVMMap, event, encode, &host);
  mapping->filled = [filling = host.filled] { return filling->complete(); };
  return status;
}

cl_int CL_API_CALL SvmMap(cl_command_queue queue, cl_bool, cl_map_flags flags, void* pointer, size_t size,
                          cl_uint num_events, const cl_event* events, cl_event* event) {
  Queue* const own = From<Queue>(queue);
  const SvmSpace::Held allocation = Space().Find(own->context.get(), pointer, size);
  if (allocation == nullptr) return CL_INVALID_VALUE;
  const auto encode = [&](Encoder& call, cl_event* wanted) {
    return wire_cl::EncodeCall_clEnqueueSVMMap(queue, flags, pointer, size, num_events, events, wanted, call);
  };
  SvmSpace::Mapping mapping{pointer, size, (flags & (CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION)) != 0, {}};
  const bool discards = (flags & CL_MAP_WRITE_INVALIDATE_REGION) != 0;
  const cl_int status = discards ? Enqueue(own, CallId::clEnqueueSVMMap, event, encode)
                                 : MapFilled(own, allocation, &mapping, event, encode);
  if (status == CL_SUCCESS) allocation->AddMapping(std::move(mapping));
  return status;
}

cl_int CL_API_CALL SvmUnmap(cl_command_queue queue, void* pointer, cl_uint num_events, const cl_event* events,
                            cl_event* event) {
  Queue* const own = From<Queue>(queue);
  const SvmSpace::Held allocation = Space().Find(own->context.get(), pointer, 1);
  if (allocation == nullptr) return CL_INVALID_VALUE;
  const std::optional<SvmSpace::Mapping> mapping = allocation->TakeMapping(pointer);
  if (!mapping.has_value()) return CL_INVALID_VALUE;
  // A program that has not waited for its map has not written either, and what is here is not what it would see.
  const bool written = mapping->writes && (!mapping->filled || mapping->filled());
  const cl_int status = Enqueue(own, CallId::clEnqueueSVMUnmap, event, [&](Encoder& call, cl_event* wanted) {
    return wire_cl::EncodeCall_clEnqueueSVMUnmap(queue, pointer, written ? mapping->bytes : 0, num_events, events,
                                                 wanted, call);
  });
  if (status == CL_SUCCESS) own->link->SendPendingLater([allocation] {});
  return status;
}

}  // namespace

void FillSvmCalls(cl::DispatchTable* table) {
  table->clSVMAlloc = &SvmAlloc;
  table->clSVMFree = &SvmFree;
  table->clSetKernelArgSVMPointer = &SetKernelArgSvmPointer;
  table->clEnqueueSVMFree = &EnqueueSvmFree;
  table->clEnqueueSVMMemcpy = &SvmMemcpy;
  table->clEnqueueSVMMemFill = &SvmMemFill;
  table->clEnqueueSVMMap = &SvmMap;
  table->clEnqueueSVMUnmap = &SvmUnmap;
  table->clEnqueueSVMMigrateMem = &SvmMigrate;
}

}  // namespace xpool::remote
