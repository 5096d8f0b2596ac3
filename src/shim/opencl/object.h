// The shim's own OpenCL objects. A handle the program holds is a pointer to one of these; the driver's handle is
// inside. The first member is the ICD dispatch pointer, as cl_khr_icd demands, so there are no virtual functions here.
//
// Reference counts: |api_refs| is what clRetain*/clRelease* and CL_*_REFERENCE_COUNT see; |refs| keeps the memory
// alive, one for all API references together and one for each Ref<> held by another object or a queued command. When
// api_refs reaches zero the handle is dead for the program; when refs reaches zero the object is deleted and its driver
// handle released. Thread-safe counts; the rest of each object says its own rule.
#pragma once

#include <CL/cl.h>

#include <atomic>
#include <cstdint>

#include "opencl/ref.h"

struct _cl_icd_dispatch;

namespace xpool::cl {

struct DispatchTable;  // generated/opencl/dispatch_table.h: the driver's functions

enum class Kind : uint32_t {
  kDead = 0xdeadc10d,
  kPlatform = 0x58504c01,
  kDevice,
  kContext,
  kQueue,
  kMem,
  kSampler,
  kProgram,
  kKernel,
  kEvent,
};

struct Object {
  explicit Object(Kind kind);  // sets |icd_dispatch| to the shim's own table
  Object(const Object&) = delete;

  const _cl_icd_dispatch* icd_dispatch;  // must stay first
  Kind kind;
  std::atomic<uint32_t> api_refs{1};
  std::atomic<uint32_t> refs{1};
  const uint32_t fork_generation;  // of the process that made it
};

// Grows by one in every child of fork(). An object of an older generation belongs to the parent: its driver state is
// not usable here, so it is neither used nor given back to the driver.
uint32_t ForkGeneration();

inline bool OfThisProcess(const Object& object) { return object.fork_generation == ForkGeneration(); }

// Drops one shim-side reference; deletes at zero. T's destructor releases the driver's handle.
template <typename T>
void Unref(T* object) {
  if (object == nullptr || object->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  object->kind = Kind::kDead;
  delete object;
}

// T must have: static constexpr Kind kKind; using Handle = cl_xxx; static constexpr cl_int kInvalid = CL_INVALID_XXX.
// The object behind a handle that the program passed, or nullptr when it is NULL or not alive as a T.
template <typename T>
T* FromHandle(typename T::Handle handle) {
  T* object = reinterpret_cast<T*>(handle);
  return object != nullptr && object->kind == T::kKind ? object : nullptr;
}

template <typename T>
typename T::Handle ToHandle(T* object) {
  return reinterpret_cast<typename T::Handle>(object);
}

// clRetain* and clRelease*. A release past zero is CL_INVALID_xxx. A handle whose last API reference is gone but which
// another object still holds can be had again through an info query (CL_QUEUE_CONTEXT...) and retained, as natively:
// the API references then count as one of |refs| again.
template <typename T>
cl_int RetainHandle(typename T::Handle handle) {
  T* object = FromHandle<T>(handle);
  if (object == nullptr) return T::kInvalid;
  if (object->api_refs.fetch_add(1, std::memory_order_relaxed) == 0) object->refs.fetch_add(1);
  return CL_SUCCESS;
}

template <typename T>
cl_int ReleaseHandle(typename T::Handle handle) {
  T* object = FromHandle<T>(handle);
  if (object == nullptr) return T::kInvalid;
  uint32_t count = object->api_refs.load(std::memory_order_relaxed);
  do {
    if (count == 0) return T::kInvalid;
  } while (!object->api_refs.compare_exchange_weak(count, count - 1, std::memory_order_acq_rel));
  if (count == 1) Unref(object);
  return CL_SUCCESS;
}

}  // namespace xpool::cl
