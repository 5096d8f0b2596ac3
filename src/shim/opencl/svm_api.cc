// Shared virtual memory: allocation and freeing. Its sizes are kept in the context, for clSVMFree names none.
#include "generated/opencl/hooks.h"
#include "shim/opencl/memory.h"
#include "shim/opencl/memory_fate.h"

namespace xpool::cl::hook {

void* clSVMAlloc(cl_context context, cl_svm_mem_flags flags, size_t size, cl_uint alignment) {
  Context* own = UsableContext(context);
  if (own == nullptr || size == 0 || size > MaxAllocBytes(*own)) return nullptr;
  Reservation reservation(SlicesOf(*own), size);
  if (!reservation.ok()) return nullptr;
  void* pointer = own->api->clSVMAlloc(own->driver, flags, size, alignment);
  if (pointer == nullptr) return nullptr;
  MutexLock lock(&own->mutex);
  own->svm[pointer] = reservation.Commit();
  return pointer;
}

void clSVMFree(cl_context context, void* svm_pointer) {
  Context* own = UsableContext(context);
  if (own == nullptr || svm_pointer == nullptr) return;
  // Given back before the driver frees it: afterwards another thread may have got the same address.
  SvmFreed(own, svm_pointer);
  own->api->clSVMFree(own->driver, svm_pointer);
}

}  // namespace xpool::cl::hook
