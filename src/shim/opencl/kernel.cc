#include "shim/opencl/kernel.h"

#include <algorithm>
#include <cstring>

#include "generated/opencl/dispatch_table.h"
#include "shim/opencl/arg_types.h"
#include "shim/opencl/driver_info.h"

namespace xpool::cl {
namespace {

// One is in use for each launch of the kernel that is being forwarded just now, so few are ever idle.
constexpr size_t kIdleShadows = 8;

cl_int Apply(const DispatchTable& api, cl_kernel kernel, cl_uint index, const ArgValue& value) {
  switch (value.kind) {
    case ArgKind::kUnset:
      return CL_SUCCESS;
    case ArgKind::kSvm: {
      const void* pointer = nullptr;
      std::memcpy(&pointer, value.bytes.data(), sizeof(pointer));
      return api.clSetKernelArgSVMPointer(kernel, index, pointer);
    }
    default:
      return api.clSetKernelArg(kernel, index, value.size, value.is_null ? nullptr : value.bytes.data());
  }
}

// Brings |slot| to |set|, leaving what it has already.
cl_int ApplyAll(const DispatchTable& api, const ArgSet& set, ShadowKernel::Slot* slot) {
  slot->stamps.resize(set.args.size());
  for (cl_uint i = 0; i < set.args.size(); ++i) {
    if (slot->stamps[i] == set.args[i].stamp) continue;
    const cl_int error = Apply(api, slot->driver, i, set.args[i]);
    if (error != CL_SUCCESS) return error;
    slot->stamps[i] = set.args[i].stamp;
  }
  slot->exec_stamps.resize(set.exec_infos.size());
  for (size_t i = 0; i < set.exec_infos.size(); ++i) {
    const ExecInfo& info = set.exec_infos[i];
    if (slot->exec_stamps[i] == info.stamp) continue;
    const cl_int error = api.clSetKernelExecInfo(slot->driver, info.param, info.bytes.size(), info.bytes.data());
    if (error != CL_SUCCESS) return error;
    slot->exec_stamps[i] = info.stamp;
  }
  return CL_SUCCESS;
}

// Takes references on what |set|'s arguments name, and says in its status whether it can be launched.
void RetainObjects(ArgSet* set) {
  for (const ArgValue& value : set->args) {
    if (value.kind == ArgKind::kUnset) set->status = CL_INVALID_KERNEL_ARGS;
    if (value.kind != ArgKind::kObject || value.object == nullptr) continue;
    Ref<LiveObject> object = FindLive(value.object, value.object_kind, value.object_id);
    if (!object) set->status = CL_INVALID_KERNEL_ARGS;
    set->objects.push_back(std::move(object));
  }
}

}  // namespace

bool SameValue(const ArgValue& a, const ArgValue& b) {
  return a.kind == b.kind && a.size == b.size && a.is_null == b.is_null && a.object_id == b.object_id &&
         a.bytes == b.bytes;
}

ShadowKernel::ShadowKernel(Kernel* kernel, std::unique_ptr<Slot> slot) : kernel_(kernel), slot_(std::move(slot)) {}

ShadowKernel& ShadowKernel::operator=(ShadowKernel&& other) noexcept {
  Return();
  status_ = other.status_;
  kernel_ = std::move(other.kernel_);
  slot_ = std::move(other.slot_);
  return *this;
}

void ShadowKernel::Return() {
  if (slot_ == nullptr) return;
  {
    MutexLock lock(&kernel_->mutex_);
    if (kernel_->shadows_.size() < kIdleShadows) kernel_->shadows_.push_back(std::move(slot_));
  }
  if (slot_ == nullptr) return;
  if (OfThisProcess(*kernel_)) kernel_->api->clReleaseKernel(slot_->driver);
  slot_.reset();
}

Kernel::Kernel(Program* program, cl_kernel driver)
    : Object(kKind), program(program), api(program->api), driver(driver) {
  name = QueryString([&](size_t size, void* value, size_t* size_ret) {
    return api->clGetKernelInfo(driver, CL_KERNEL_FUNCTION_NAME, size, value, size_ret);
  });
  takes = FindArgTypes(*api, program->driver, driver, name.c_str());
  MutexLock lock(&mutex_);
  args_.resize(takes.size());
  unset_.store(takes.size());
}

Kernel::~Kernel() {
  if (!OfThisProcess(*this)) return;
  std::vector<std::unique_ptr<ShadowKernel::Slot>> idle;
  {
    MutexLock lock(&mutex_);
    idle.swap(shadows_);
  }
  for (const auto& slot : idle) api->clReleaseKernel(slot->driver);
  api->clReleaseKernel(driver);
}

std::optional<KernelLimits> Kernel::LimitsOn(Device* device) {
  {
    MutexLock lock(&mutex_);
    for (const auto& [on, limits] : limits_) {
      if (on.get() == device) return limits;
    }
  }
  const auto query = [&](cl_kernel_work_group_info name, size_t size, void* value) {
    return api->clGetKernelWorkGroupInfo(driver, device->driver, name, size, value, nullptr);
  };
  KernelLimits limits;
  if (query(CL_KERNEL_WORK_GROUP_SIZE, sizeof(size_t), &limits.work_group_size) != CL_SUCCESS) return std::nullopt;
  query(CL_KERNEL_COMPILE_WORK_GROUP_SIZE, sizeof(limits.required_group_size), limits.required_group_size.data());
  MutexLock lock(&mutex_);
  limits_.emplace_back(Ref<Device>(device), limits);  // maybe the second of two at once, which does no harm
  return limits;
}

std::shared_ptr<const ArgSet> Kernel::Snapshot() {
  auto set = std::make_shared<ArgSet>();
  uint64_t stamp = 0;
  {
    MutexLock lock(&mutex_);
    if (std::shared_ptr<const ArgSet> current = snapshot_.lock()) return current;
    set->args = args_;
    set->exec_infos = exec_infos_;
    stamp = last_stamp_;
  }
  RetainObjects(set.get());  // not under the lock: dropping a reference may call the driver
  MutexLock lock(&mutex_);
  if (stamp == last_stamp_) snapshot_ = set;
  return set;
}

std::unique_ptr<ShadowKernel::Slot> Kernel::TakeSlot() {
  {
    MutexLock lock(&mutex_);
    if (!shadows_.empty()) {
      std::unique_ptr<ShadowKernel::Slot> slot = std::move(shadows_.back());
      shadows_.pop_back();
      return slot;
    }
  }
  return std::make_unique<ShadowKernel::Slot>();
}

ShadowKernel Kernel::AcquireShadow(const ArgSet& set) {
  if (set.status != CL_SUCCESS) return ShadowKernel(set.status);
  std::unique_ptr<ShadowKernel::Slot> slot = TakeSlot();
  cl_int error = CL_SUCCESS;
  if (slot->driver == nullptr) slot->driver = api->clCreateKernel(program->driver, name.c_str(), &error);
  if (slot->driver == nullptr) return ShadowKernel(error);
  ShadowKernel::Slot* const held = slot.get();
  ShadowKernel shadow(this, std::move(slot));
  error = ApplyAll(*api, set, held);
  return error == CL_SUCCESS ? std::move(shadow) : ShadowKernel(error);
}

void Kernel::Store(cl_uint index, ArgValue value) {
  MutexLock lock(&mutex_);
  // The same value again, as many programs set before each launch, keeps its stamp and the snapshot.
  if (SameValue(args_[index], value)) return;
  if (args_[index].kind == ArgKind::kUnset) unset_.fetch_sub(1, std::memory_order_release);
  value.stamp = ++last_stamp_;
  args_[index] = std::move(value);
  snapshot_.reset();
}

void Kernel::Store(ExecInfo info) {
  MutexLock lock(&mutex_);
  info.stamp = ++last_stamp_;
  const auto found = std::find_if(exec_infos_.begin(), exec_infos_.end(),
                                  [&](const ExecInfo& known) { return known.param == info.param; });
  if (found == exec_infos_.end()) {
    exec_infos_.push_back(std::move(info));
  } else {
    *found = std::move(info);
  }
  snapshot_.reset();
}

cl_int Kernel::CopyValues(Kernel* source) {
  const std::shared_ptr<const ArgSet> values = source->Snapshot();
  for (cl_uint i = 0; i < values->args.size(); ++i) {
    const ArgValue& value = values->args[i];
    const bool gone = value.object != nullptr && !FindLive(value.object, value.object_kind, value.object_id);
    if (value.kind == ArgKind::kUnset || gone) continue;
    if (const cl_int error = Apply(*api, driver, i, value); error != CL_SUCCESS) return error;
    Store(i, value);
  }
  for (const ExecInfo& info : values->exec_infos) {
    const cl_int error = api->clSetKernelExecInfo(driver, info.param, info.bytes.size(), info.bytes.data());
    if (error != CL_SUCCESS) return error;
    Store(info);
  }
  return CL_SUCCESS;
}

}  // namespace xpool::cl
