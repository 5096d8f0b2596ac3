#include "wire_opencl/svm_table.h"

#include <utility>

namespace xpool::wire_cl {

void* SvmTable::Allocate(cl_context context, cl_svm_mem_flags flags, uint64_t bytes, cl_uint alignment) {
  if (live_.size() >= max_allocations_) return nullptr;
  void* const data = api_.clSVMAlloc(context, flags, bytes, alignment);
  if (data == nullptr) return nullptr;
  api_.clRetainContext(context);
  auto* const made = new Allocation{context, static_cast<std::byte*>(data), bytes};
  const bool added = live_.Add({made, [this](Allocation* allocation) { Retire(allocation); }});
  return added ? data : nullptr;
}

void SvmTable::Retire(Allocation* allocation) {
  MutexLock lock(&retired_mutex_);
  retired_.emplace_back(allocation);
}

std::shared_ptr<SvmTable::Allocation> SvmTable::FindIn(cl_context context, uint64_t address, uint64_t bytes) const {
  std::shared_ptr<Allocation> found = bytes == 0 ? nullptr : live_.Find(address, bytes);
  return found != nullptr && found->context == context ? found : nullptr;
}

std::shared_ptr<std::byte[]> SvmTable::Find(cl_context context, uint64_t address, uint64_t bytes) const {
  const std::shared_ptr<Allocation> found = FindIn(context, address, bytes);
  if (found == nullptr) return nullptr;
  return {found, found->data + (address - reinterpret_cast<uint64_t>(found->data))};
}

uint64_t SvmTable::BytesFrom(cl_context context, uint64_t address) const {
  const std::shared_ptr<Allocation> found = FindIn(context, address, 1);
  return found == nullptr ? 0 : reinterpret_cast<uint64_t>(found->data) + found->bytes - address;
}

bool SvmTable::Free(cl_context context, uint64_t address) {
  const std::shared_ptr<Allocation> found = FindIn(context, address, 1);
  if (found == nullptr || reinterpret_cast<uint64_t>(found->data) != address) return false;
  found->freed = true;
  live_.Take(address);
  return true;
}

void SvmTable::Forget(cl_context context) {
  live_.TakeIf([&](const std::shared_ptr<Allocation>& held) { return held->context == context; });
}

void SvmTable::ReleaseFreed() {
  std::vector<std::unique_ptr<Allocation>> retired;
  {
    MutexLock lock(&retired_mutex_);
    retired.swap(retired_);
  }
  for (const std::unique_ptr<Allocation>& allocation : retired) {
    if (allocation->freed) api_.clSVMFree(allocation->context, allocation->data);
    api_.clReleaseContext(allocation->context);
  }
}

}  // namespace xpool::wire_cl
