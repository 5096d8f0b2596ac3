#include "generated/opencl/wire_fake_svm.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <iterator>

#include "generated/opencl/wire_call_text.h"

namespace xpool::wire_cl {
namespace {

FakeSvm* svm = nullptr;  // behind the table's functions, which know nothing else

cl_int Enqueued(cl_event* event) {
  if (event != nullptr) *event = static_cast<cl_event>(DriverObject(ValueKind::kEvent, 7));
  return CL_SUCCESS;
}

void* CL_API_CALL Alloc(cl_context, cl_svm_mem_flags, size_t size, cl_uint) { return svm->Allocate(size); }
void CL_API_CALL Free(cl_context context, void* pointer) { svm->Free(context, pointer); }

cl_int CL_API_CALL SetArgument(cl_kernel, cl_uint, const void* pointer) {
  if (pointer != nullptr) svm->Touch(pointer, 1, false);
  return CL_SUCCESS;
}

cl_int CL_API_CALL SetExecInfo(cl_kernel, cl_kernel_exec_info param, size_t size, const void* value) {
  if (param != CL_KERNEL_EXEC_INFO_SVM_PTRS) return CL_SUCCESS;
  for (size_t i = 0; i < size / sizeof(void*); ++i) svm->Touch(static_cast<void* const*>(value)[i], 1, false);
  return CL_SUCCESS;
}

cl_int CL_API_CALL EnqueueFree(cl_command_queue queue, cl_uint count, void** pointers, cl::SvmFreeCallback callback,
                               void* data, cl_uint, const cl_event*, cl_event* event) {
  for (cl_uint i = 0; i < count; ++i) svm->Touch(pointers[i], 1, false);
  callback(queue, count, pointers, data);
  return Enqueued(event);
}

cl_int CL_API_CALL Memcpy(cl_command_queue, cl_bool, void* to, const void* from, size_t size, cl_uint, const cl_event*,
                          cl_event* event) {
  if (svm->IsShared(to)) svm->Touch(to, size, true);
  if (svm->IsShared(from)) svm->Touch(from, size, false);
  if (!svm->trespassed()) std::memmove(to, from, size);
  return Enqueued(event);
}

cl_int CL_API_CALL MemFill(cl_command_queue, void* pointer, const void* pattern, size_t pattern_size, size_t size,
                           cl_uint, const cl_event*, cl_event* event) {
  svm->Touch(pointer, size, true);
  if (svm->trespassed()) return CL_INVALID_VALUE;
  for (size_t at = 0; pattern_size != 0 && at + pattern_size <= size; at += pattern_size)
    std::memcpy(static_cast<char*>(pointer) + at, pattern, pattern_size);
  return Enqueued(event);
}

cl_int CL_API_CALL Map(cl_command_queue, cl_bool, cl_map_flags, void* pointer, size_t size, cl_uint, const cl_event*,
                       cl_event* event) {
  svm->Touch(pointer, size, false);
  return Enqueued(event);
}

cl_int CL_API_CALL Unmap(cl_command_queue, void* pointer, cl_uint, const cl_event*, cl_event* event) {
  svm->Touch(pointer, 1, false);
  return Enqueued(event);
}

cl_int CL_API_CALL Migrate(cl_command_queue, cl_uint count, const void** pointers, const size_t* sizes,
                           cl_mem_migration_flags, cl_uint, const cl_event*, cl_event* event) {
  for (cl_uint i = 0; i < count; ++i) svm->Touch(pointers[i], sizes == nullptr ? 1 : sizes[i], false);
  return Enqueued(event);
}

cl_int CL_API_CALL RetainContext(cl_context) { return CL_SUCCESS; }

}  // namespace

FakeSvm::FakeSvm() {
  void* const at = mmap(reinterpret_cast<void*>(kBegin), kSlots * kSlotBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (at != reinterpret_cast<void*>(kBegin)) std::abort();  // a test's process has nothing there
  svm = this;
}

FakeSvm::~FakeSvm() {
  svm = nullptr;
  munmap(reinterpret_cast<void*>(kBegin), kSlots * kSlotBytes);
}

void FakeSvm::Install(cl::DispatchTable* table) {
  table->clSVMAlloc = &Alloc;
  table->clSVMFree = &wire_cl::Free;
  table->clSetKernelArgSVMPointer = &SetArgument;
  table->clSetKernelExecInfo = &SetExecInfo;
  table->clEnqueueSVMFree = &EnqueueFree;
  table->clEnqueueSVMMemcpy = &Memcpy;
  table->clEnqueueSVMMemFill = &MemFill;
  table->clEnqueueSVMMap = &Map;
  table->clEnqueueSVMUnmap = &Unmap;
  table->clEnqueueSVMMigrateMem = &Migrate;
  table->clRetainContext = &RetainContext;
}

void* FakeSvm::Allocate(uint64_t bytes) {
  if (bytes == 0 || bytes > kSlotBytes) return nullptr;
  for (uint64_t slot = 0; slot < kSlots; ++slot) {
    const uint64_t address = kBegin + slot * kSlotBytes;
    if (live_.emplace(address, bytes).second) return reinterpret_cast<void*>(address);
  }
  return nullptr;
}

void FakeSvm::Free(cl_context context, void* pointer) {
  trespassed_ |= live_.erase(reinterpret_cast<uint64_t>(pointer)) == 0;
  freed_in_ = context;
}

bool FakeSvm::IsShared(const void* pointer) const {
  return reinterpret_cast<uint64_t>(pointer) - kBegin < kSlots * kSlotBytes;
}

void FakeSvm::Touch(const void* pointer, uint64_t bytes, bool writes) {
  ++touches_;
  const auto address = reinterpret_cast<uint64_t>(pointer);
  auto found = live_.upper_bound(address);
  const bool inside = found != live_.begin() && address - std::prev(found)->first <= std::prev(found)->second &&
                      bytes <= std::prev(found)->second - (address - std::prev(found)->first);
  trespassed_ |= !inside;
  if (!inside || bytes == 0) return;
  auto* const data = static_cast<volatile char*>(const_cast<void*>(pointer));
  const char last = data[bytes - 1];
  if (writes) data[bytes - 1] = last;
}

}  // namespace xpool::wire_cl
