#include "shim/opencl/memory_fate.h"

#include "shim/opencl/object.h"
#include "shim/opencl/platform.h"

namespace xpool::cl {

MemFate::MemFate(uint64_t charged_bytes, std::vector<SliceSession*> slices)
    : charged_bytes_(charged_bytes), slices_(std::move(slices)), fork_generation_(ForkGeneration()) {}

void MemFate::Attach(const DispatchTable& driver, cl_mem memory) {
  attached_ = driver.clSetMemObjectDestructorCallback(memory, &OnDriverFree, this) == CL_SUCCESS;
}

void MemFate::AttachOnDemand(const DispatchTable& driver, cl_mem memory) {
  on_demand_ = &driver;
  memory_ = memory;
}

bool MemFate::LeaveToDriver() {
  const bool attached = attached_;
  hand_over_.Give();
  return attached;
}

void MemFate::AddCallback(MemDestructorCallback callback, void* user_data) {
  {
    MutexLock lock(&mutex_);
    callbacks_.emplace_back(callback, user_data);
    if (on_demand_ == nullptr || callbacks_.size() > 1) return;
  }
  Attach(*on_demand_, memory_);
}

void MemFate::Finish() {
  std::vector<std::pair<MemDestructorCallback, void*>> callbacks;
  {
    MutexLock lock(&mutex_);
    callbacks.swap(callbacks_);
  }
  for (auto it = callbacks.rbegin(); it != callbacks.rend(); ++it) it->first(handle_, it->second);
  // A parent's charge is not the child's to give back.
  if (charged_bytes_ > 0 && fork_generation_ == ForkGeneration()) {
    for (SliceSession* const slice : slices_) slice->memory().Release(charged_bytes_);
  }
  delete this;
}

void CL_CALLBACK MemFate::OnDriverFree(cl_mem, void* data) {
  auto* const fate = static_cast<MemFate*>(data);
  fate->hand_over_.Take();
  fate->Finish();
}

Reservation::Reservation(std::vector<SliceSession*> slices, uint64_t bytes) : slices_(std::move(slices)) {
  ok_ = !slices_.empty() && ReserveAll(bytes);
  if (ok_) bytes_ = bytes;
}

Reservation::~Reservation() {
  if (bytes_ > 0) ReleaseAll(bytes_);
}

// In all slices, or in none.
bool Reservation::ReserveAll(uint64_t bytes) {
  for (size_t i = 0; i < slices_.size(); ++i) {
    if (slices_[i]->memory().Reserve(bytes).ok()) continue;
    while (i-- > 0) slices_[i]->memory().Release(bytes);
    return false;
  }
  return true;
}

void Reservation::ReleaseAll(uint64_t bytes) {
  for (SliceSession* const slice : slices_) slice->memory().Release(bytes);
}

bool Reservation::Resize(uint64_t bytes) {
  if (bytes > bytes_ && !ReserveAll(bytes - bytes_)) return false;
  if (bytes < bytes_) ReleaseAll(bytes_ - bytes);
  bytes_ = bytes;
  return true;
}

uint64_t Reservation::Commit() { return std::exchange(bytes_, 0); }

}  // namespace xpool::cl
