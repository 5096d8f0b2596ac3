// Coarse-grain shared virtual memory of the null driver: host memory, charged like buffers.
#include <cstdlib>
#include <cstring>

#include "backend/null/engine.h"
#include "backend/null/memory.h"

namespace xpool::null_cl {
namespace {

void FreeSvm(Context* context, void* pointer) {
  size_t size = 0;
  {
    const std::lock_guard lock(context->mutex);
    const auto found = context->svm.find(pointer);
    if (found == context->svm.end()) return;
    size = found->second;
    context->svm.erase(found);
  }
  std::free(pointer);
  ReleaseMemory(size);
}

cl_int EnqueueNothing(cl_command_queue queue, cl_command_type type, const Sync& sync) {
  return Enqueue(As<Queue>(queue), type, sync, [] { return CL_SUCCESS; });
}

}  // namespace

namespace impl {

void* clSVMAlloc(cl_context handle, cl_svm_mem_flags flags, size_t size, cl_uint alignment) {
  Context* context = As<Context>(handle);
  const size_t boundary = alignment == 0 ? 128 : alignment;
  const bool fine_grain = (flags & (CL_MEM_SVM_FINE_GRAIN_BUFFER | CL_MEM_SVM_ATOMICS)) != 0;
  if (fine_grain || size == 0 || (boundary & (boundary - 1)) != 0 || boundary > 4096 || !ChargeMemory(size))
    return nullptr;
  void* pointer = nullptr;
  if (posix_memalign(&pointer, std::max<size_t>(boundary, sizeof(void*)), size) != 0) {
    ReleaseMemory(size);
    return nullptr;
  }
  const std::lock_guard lock(context->mutex);
  context->svm[pointer] = size;
  return pointer;
}

void clSVMFree(cl_context context, void* svm_pointer) { FreeSvm(As<Context>(context), svm_pointer); }

cl_int clEnqueueSVMFree(cl_command_queue command_queue, cl_uint num_svm_pointers, void** svm_pointers,
                        SvmFreeCallback pfn_free_func, void* user_data, cl_uint num_events_in_wait_list,
                        const cl_event* event_wait_list, cl_event* event) {
  if (num_svm_pointers == 0) return CL_INVALID_VALUE;
  return Enqueue(As<Queue>(command_queue), CL_COMMAND_SVM_FREE, {num_events_in_wait_list, event_wait_list, event},
                 [keep = Ref<Queue>(As<Queue>(command_queue)), pfn_free_func, user_data,
                  pointers = std::vector<void*>(svm_pointers, svm_pointers + num_svm_pointers)]() mutable {
                   if (pfn_free_func != nullptr) {
                     pfn_free_func(ToHandle(keep.get()), static_cast<cl_uint>(pointers.size()), pointers.data(),
                                   user_data);
                     return CL_SUCCESS;
                   }
                   for (void* pointer : pointers) FreeSvm(keep->context.get(), pointer);
                   return CL_SUCCESS;
                 });
}

cl_int clEnqueueSVMMemcpy(cl_command_queue command_queue, cl_bool blocking_copy, void* dst_ptr, const void* src_ptr,
                          size_t size, cl_uint num_events_in_wait_list, const cl_event* event_wait_list,
                          cl_event* event) {
  return Enqueue(As<Queue>(command_queue), CL_COMMAND_SVM_MEMCPY,
                 {num_events_in_wait_list, event_wait_list, event, blocking_copy != CL_FALSE}, [=] {
                   std::memmove(dst_ptr, src_ptr, size);
                   return CL_SUCCESS;
                 });
}

cl_int clEnqueueSVMMemFill(cl_command_queue command_queue, void* svm_ptr, const void* pattern, size_t pattern_size,
                           size_t size, cl_uint num_events_in_wait_list, const cl_event* event_wait_list,
                           cl_event* event) {
  const bool power = pattern_size >= 1 && pattern_size <= 128 && (pattern_size & (pattern_size - 1)) == 0;
  if (!power || size % pattern_size != 0) return CL_INVALID_VALUE;
  const auto* bytes = static_cast<const char*>(pattern);
  return Enqueue(As<Queue>(command_queue), CL_COMMAND_SVM_MEMFILL, {num_events_in_wait_list, event_wait_list, event},
                 [to = static_cast<char*>(svm_ptr), size, copy = std::vector<char>(bytes, bytes + pattern_size)] {
                   for (size_t at = 0; at < size; at += copy.size()) std::memcpy(to + at, copy.data(), copy.size());
                   return CL_SUCCESS;
                 });
}

cl_int clEnqueueSVMMap(cl_command_queue command_queue, cl_bool blocking_map, cl_map_flags, void*, size_t size,
                       cl_uint num_events_in_wait_list, const cl_event* event_wait_list, cl_event* event) {
  if (size == 0) return CL_INVALID_VALUE;
  return EnqueueNothing(command_queue, CL_COMMAND_SVM_MAP,
                        {num_events_in_wait_list, event_wait_list, event, blocking_map != CL_FALSE});
}

cl_int clEnqueueSVMUnmap(cl_command_queue command_queue, void*, cl_uint num_events_in_wait_list,
                         const cl_event* event_wait_list, cl_event* event) {
  return EnqueueNothing(command_queue, CL_COMMAND_SVM_UNMAP, {num_events_in_wait_list, event_wait_list, event});
}

cl_int clEnqueueSVMMigrateMem(cl_command_queue command_queue, cl_uint num_svm_pointers, const void**, const size_t*,
                              cl_mem_migration_flags, cl_uint num_events_in_wait_list, const cl_event* event_wait_list,
                              cl_event* event) {
  if (num_svm_pointers == 0) return CL_INVALID_VALUE;
  return EnqueueNothing(command_queue, CL_COMMAND_MIGRATE_MEM_OBJECTS,
                        {num_events_in_wait_list, event_wait_list, event});
}

}  // namespace impl
}  // namespace xpool::null_cl
