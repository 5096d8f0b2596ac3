// What is left to do when the driver frees a memory object: the program's destructor callbacks, last registered first,
// and the charge to give back. It outlives the Mem, for commands in flight keep the driver's object; the driver's own
// destructor callback ends it. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "generated/opencl/dispatch_table.h"
#include "shim/opencl/ticket.h"
#include "slice/slice_session.h"

namespace xpool::cl {

class MemFate {
 public:
  // |charged_bytes| are reserved in the accounts of |slices|; 0 for what shares another object's memory.
  MemFate(uint64_t charged_bytes, std::vector<SliceSession*> slices);

  // Asks |driver| to call back when it frees |memory|. When it cannot, the caller must Finish() after releasing it.
  void Attach(const DispatchTable& driver, cl_mem memory);
  // The same, once somebody wants to know (AddCallback()): a worker's freeing is accounted for there.
  void AttachOnDemand(const DispatchTable& driver, cl_mem memory);

  // The driver's object is about to be released. True when Finish() is then the driver's callback's to call.
  bool LeaveToDriver();

  // |handle| is what the program's callbacks are given.
  void SetHandle(cl_mem handle) { handle_ = handle; }
  void AddCallback(MemDestructorCallback callback, void* user_data);

  // Does it all, and deletes this.
  void Finish();

 private:
  ~MemFate() = default;
  static void CL_CALLBACK OnDriverFree(cl_mem, void* fate);

  const uint64_t charged_bytes_;
  const std::vector<SliceSession*> slices_;
  const uint32_t fork_generation_;
  const DispatchTable* on_demand_ = nullptr;
  cl_mem memory_ = nullptr;  // with |on_demand_|
  cl_mem handle_ = nullptr;
  std::atomic<bool> attached_{false};
  HandOver hand_over_;  // of all this, when the driver's object is released
  Mutex mutex_;
  std::vector<std::pair<MemDestructorCallback, void*>> callbacks_ ABSL_GUARDED_BY(mutex_);
};

// A reservation that is given back unless committed.
class Reservation {
 public:
  // Reserves |bytes| of the memory of each of |slices| for this process; test with ok().
  Reservation(std::vector<SliceSession*> slices, uint64_t bytes);
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  ~Reservation();

  bool ok() const { return ok_; }
  // Makes it |bytes|, when what the driver allocated is known; false when that is too much.
  bool Resize(uint64_t bytes);
  // The charge now belongs to the caller.
  uint64_t Commit();

 private:
  bool ReserveAll(uint64_t bytes);
  void ReleaseAll(uint64_t bytes);

  const std::vector<SliceSession*> slices_;
  uint64_t bytes_ = 0;
  bool ok_ = false;
};

}  // namespace xpool::cl
