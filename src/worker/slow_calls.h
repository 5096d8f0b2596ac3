// Calls that the driver takes long for (it compiles) run on threads of their own, so that the session's other calls go
// on meanwhile. All calls share one lock, the lane's: whoever serves a call holds it, and it is free only while a slow
// call is inside the driver.
//
// Threading: Serve() for the lane's thread, which holds the lock.
#pragma once

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "base/mutex.h"
#include "generated/opencl/dispatch_table.h"

namespace xpool::worker {

class SlowCalls {
 public:
  // At most so many at once; one more is served on the lane's thread.
  static constexpr int kMostAtOnce = 8;

  explicit SlowCalls(Mutex* lane) : lane_(lane) {}
  // REQUIRES: the lane's lock is free. Waits for those that are under way.
  ~SlowCalls();

  // Runs |serve| under the lane's lock. Returns when it is inside the driver, or done, with the lock held again.
  void Serve(absl::AnyInvocable<void()> serve) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lane_);

  // |driver| with its slow functions replaced by such as leave the lane while they work. One per process: |driver| must
  // be the same each time.
  static cl::DispatchTable LeaveLaneIn(const cl::DispatchTable& driver);

 private:
  Mutex* const lane_;
  CondVar changed_;  // with the lane's lock
  int running_ ABSL_GUARDED_BY(lane_) = 0;
};

}  // namespace xpool::worker
