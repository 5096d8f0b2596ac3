#include "shim/opencl/context.h"

#include <algorithm>

#include "generated/opencl/dispatch_table.h"
#include "slice/slice_session.h"

namespace xpool::cl {

Context::Context(const DispatchTable* api, cl_context driver, std::vector<Ref<Device>> devices,
                 std::vector<cl_context_properties> properties)
    : Object(kKind), api(api), driver(driver), devices(std::move(devices)), properties(std::move(properties)) {}

Context::~Context() {
  std::vector<std::pair<DestructorCallback, void*>> callbacks;
  {
    MutexLock lock(&mutex);
    callbacks.swap(destructor_callbacks);
  }
  for (auto it = callbacks.rbegin(); it != callbacks.rend(); ++it) it->first(ToHandle(this), it->second);
  // SVM that the program never freed stays charged: nothing says that the driver frees it with the context.
  if (OfThisProcess(*this)) api->clReleaseContext(driver);
}

Device* Context::FindDevice(cl_device_id handle) const {
  const auto found =
      std::find_if(devices.begin(), devices.end(), [&](const Ref<Device>& d) { return ToHandle(d.get()) == handle; });
  return found == devices.end() ? nullptr : found->get();
}

Device* Context::FromDriverDevice(cl_device_id driver_device) const {
  const auto found =
      std::find_if(devices.begin(), devices.end(), [&](const Ref<Device>& d) { return d->driver == driver_device; });
  return found == devices.end() ? nullptr : found->get();
}

bool DriverDevices(const Context& context, cl_uint count, const cl_device_id* devices, std::vector<cl_device_id>* out) {
  out->clear();
  for (cl_uint i = 0; devices != nullptr && i < count; ++i) {
    const Device* device = context.FindDevice(devices[i]);
    if (device == nullptr) return false;
    out->push_back(device->driver);
  }
  return true;
}

void SvmFreed(Context* context, void* pointer) {
  size_t bytes = 0;
  {
    MutexLock lock(&context->mutex);
    const auto found = context->svm.find(pointer);
    if (found == context->svm.end()) return;
    bytes = found->second;
    context->svm.erase(found);
  }
  if (!OfThisProcess(*context)) return;
  for (SliceSession* const slice : SlicesOf(*context)) slice->memory().Release(bytes);
}

std::vector<SliceSession*> SlicesOf(const Context& context) {
  std::vector<SliceSession*> slices;
  for (const Ref<Device>& device : context.devices) {
    SliceSession* const slice = device->slice();
    if (slice != nullptr && std::find(slices.begin(), slices.end(), slice) == slices.end()) slices.push_back(slice);
  }
  return slices;
}

}  // namespace xpool::cl
