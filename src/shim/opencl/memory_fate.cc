#include "shim/opencl/memory_fate.h"

#include "shim/opencl/object.h"
#include "shim/opencl/platform.h"

namespace xpool::cl {

MemFate::MemFate(uint64_t charged_bytes) : charged_bytes_(charged_bytes), fork_generation_(ForkGeneration()) {}

void MemFate::Attach(const DispatchTable& driver, cl_mem memory) {
  attached_ = driver.clSetMemObjectDestructorCallback(memory, &OnDriverFree, this) == CL_SUCCESS;
}

bool MemFate::LeaveToDriver() {
  const bool attached = attached_;
  hand_over_.Give();
  return attached;
}

void MemFate::AddCallback(MemDestructorCallback callback, void* user_data) {
  MutexLock lock(&mutex_);
  callbacks_.emplace_back(callback, user_data);
}

void MemFate::Finish() {
  std::vector<std::pair<MemDestructorCallback, void*>> callbacks;
  {
    MutexLock lock(&mutex_);
    callbacks.swap(callbacks_);
  }
  for (auto it = callbacks.rbegin(); it != callbacks.rend(); ++it) it->first(handle_, it->second);
  // A parent's charge is not the child's to give back.
  Session* const session = charged_bytes_ > 0 && fork_generation_ == ForkGeneration() ? CurrentSession() : nullptr;
  if (session != nullptr) session->memory().Release(charged_bytes_);
  delete this;
}

void CL_CALLBACK MemFate::OnDriverFree(cl_mem, void* data) {
  auto* const fate = static_cast<MemFate*>(data);
  fate->hand_over_.Take();
  fate->Finish();
}

Reservation::Reservation(uint64_t bytes) {
  Session* const session = CurrentSession();
  if (session == nullptr || !session->memory().Reserve(bytes).ok()) return;
  bytes_ = bytes;
  ok_ = true;
}

Reservation::~Reservation() {
  Session* const session = bytes_ > 0 ? CurrentSession() : nullptr;
  if (session != nullptr) session->memory().Release(bytes_);
}

bool Reservation::Resize(uint64_t bytes) {
  Session* const session = CurrentSession();
  if (session == nullptr) return false;
  if (bytes > bytes_ && !session->memory().Reserve(bytes - bytes_).ok()) return false;
  if (bytes < bytes_) session->memory().Release(bytes_ - bytes);
  bytes_ = bytes;
  return true;
}

uint64_t Reservation::Commit() { return std::exchange(bytes_, 0); }

}  // namespace xpool::cl
