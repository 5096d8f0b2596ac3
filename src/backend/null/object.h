// The null driver's objects begin with the ICD dispatch pointer, a kind and two counts: |api_refs| is what clRetain*
// and clRelease* count, |refs| keeps the memory (one for all API references, one for each Ref). Thread-safe counts.
#pragma once

#include <CL/cl_icd.h>

#include <atomic>
#include <cstdint>

#include "generated/opencl/null_driver_gen.h"
#include "opencl/ref.h"

namespace xpool::null_cl {

enum class Kind : uint32_t {
  kDead = 0xdead0000,
  kPlatform = 0x4e554c01,
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
  explicit Object(Kind object_kind) : dispatch(&kNullDispatch), kind(object_kind) {}
  Object(const Object&) = delete;

  const cl_icd_dispatch* const dispatch;  // must stay first
  std::atomic<Kind> kind;
  std::atomic<uint32_t> api_refs{1};
  std::atomic<uint32_t> refs{1};
};

template <typename T>
void Unref(T* object) {
  if (object == nullptr || object->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  delete object;
}

// The object behind |handle|, or nullptr when it is NULL, not a T or released.
template <typename T>
T* As(typename T::Handle handle) {
  T* object = reinterpret_cast<T*>(handle);
  return object != nullptr && object->kind == T::kKind ? object : nullptr;
}

template <typename T>
typename T::Handle ToHandle(T* object) {
  return reinterpret_cast<typename T::Handle>(object);
}

// Whether |handles| are |count| live objects; NULL goes with 0 and only with 0.
template <typename T>
bool AreAlive(cl_uint count, const typename T::Handle* handles) {
  if ((count == 0) != (handles == nullptr)) return false;
  for (cl_uint i = 0; i < count; ++i) {
    if (As<T>(handles[i]) == nullptr) return false;
  }
  return true;
}

// clRetain* and clRelease*. The root device is not counted (T::kCounted).
template <typename T>
cl_int Retain(typename T::Handle handle) {
  T* object = As<T>(handle);
  if (object == nullptr) return T::kInvalid;
  if (T::kCounted) object->api_refs.fetch_add(1, std::memory_order_relaxed);
  return CL_SUCCESS;
}

template <typename T>
cl_int Release(typename T::Handle handle) {
  T* object = As<T>(handle);
  if (object == nullptr) return T::kInvalid;
  if (!T::kCounted || object->api_refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return CL_SUCCESS;
  object->kind = Kind::kDead;
  Unref(object);
  return CL_SUCCESS;
}

// Returns |code| the way creating functions do.
inline std::nullptr_t Fail(cl_int* errcode_ret, cl_int code) {
  if (errcode_ret != nullptr) *errcode_ret = code;
  return nullptr;
}

template <typename T>
typename T::Handle Succeed(cl_int* errcode_ret, T* object) {
  if (errcode_ret != nullptr) *errcode_ret = CL_SUCCESS;
  return ToHandle(object);
}

}  // namespace xpool::null_cl
