// A context: the driver's context, the devices it was made for, and the SVM allocations in it (whose sizes the driver
// does not tell). The SVM table and the destructor callbacks are guarded by |mutex|; the rest is immutable.
#pragma once

#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "shim/opencl/device.h"
#include "shim/opencl/object.h"

namespace xpool::cl {

struct Context : Object {
  static constexpr Kind kKind = Kind::kContext;
  using Handle = cl_context;
  static constexpr cl_int kInvalid = CL_INVALID_CONTEXT;
  using DestructorCallback = void(CL_CALLBACK*)(cl_context, void*);

  Context(const DispatchTable* api, cl_context driver, std::vector<Ref<Device>> devices,
          std::vector<cl_context_properties> properties);
  ~Context();

  // Our device |handle| when this context was made for it, else nullptr.
  Device* FindDevice(cl_device_id handle) const;
  // Our device for the driver's, or nullptr.
  Device* FromDriverDevice(cl_device_id driver_device) const;

  const DispatchTable* const api;
  const cl_context driver;
  const std::vector<Ref<Device>> devices;
  const std::vector<cl_context_properties> properties;  // as the program gave them, with the final zero

  std::atomic<int> queues{0};  // that there are

  Mutex mutex;
  std::unordered_map<void*, size_t> svm ABSL_GUARDED_BY(mutex);
  std::vector<std::pair<DestructorCallback, void*>> destructor_callbacks ABSL_GUARDED_BY(mutex);
};

// The slices in which memory of |context| lies.
std::vector<SliceSession*> SlicesOf(const Context& context);

// The context behind |handle| when it may be used in this process; nullptr otherwise (then CL_INVALID_CONTEXT).
inline Context* UsableContext(cl_context handle) {
  Context* context = FromHandle<Context>(handle);
  return context != nullptr && OfThisProcess(*context) ? context : nullptr;
}

// Turns the program's device list into the driver's. False when one is not a device of |context|.
bool DriverDevices(const Context& context, cl_uint count, const cl_device_id* devices, std::vector<cl_device_id>* out);

// The driver is about to free the SVM allocation at |pointer| (clSVMFree, or a clEnqueueSVMFree without a callback of
// the program's that is being forwarded): gives its charge back. Before, not after: once it is freed another thread may
// get the same address. Unknown pointers are ignored.
void SvmFreed(Context* context, void* pointer);

}  // namespace xpool::cl
