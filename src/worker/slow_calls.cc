#include "worker/slow_calls.h"

#include <memory>
#include <utility>

#include "base/thread.h"

namespace xpool::worker {
namespace {

const cl::DispatchTable* driver_table = nullptr;

// Of the thread that serves a slow call: what it has to leave while it is inside the driver.
struct Slow {
  Mutex* lane;
  CondVar* changed;
  bool left = false;  // the lane, for the first time
};
thread_local Slow* slow = nullptr;

class OutsideOfLane {
 public:
  OutsideOfLane() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (slow == nullptr) return;
    slow->left = true;
    slow->changed->SignalAll();
    slow->lane->Unlock();
  }
  ~OutsideOfLane() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (slow != nullptr) slow->lane->Lock();
  }
};

template <auto kFunction, typename Function>
struct Leaving;
template <auto kFunction, typename Result, typename... Args>
struct Leaving<kFunction, Result(CL_API_CALL*)(Args...)> {
  static Result CL_API_CALL Call(Args... args) {
    const OutsideOfLane outside;
    return (driver_table->*kFunction)(args...);
  }
};

template <auto kFunction>
void Replace(cl::DispatchTable* table) {
  using Function = std::remove_reference_t<decltype(table->*kFunction)>;
  table->*kFunction = &Leaving<kFunction, Function>::Call;
}

}  // namespace

SlowCalls::~SlowCalls() {
  MutexLock lock(lane_);
  while (running_ > 0) changed_.Wait(lane_);
}

void SlowCalls::Serve(absl::AnyInvocable<void()> serve) {
  if (running_ >= kMostAtOnce) return serve();
  const auto state = std::make_shared<Slow>(Slow{lane_, &changed_});
  const auto shared = std::make_shared<absl::AnyInvocable<void()>>(std::move(serve));
  const bool started = StartDetached("xpool-slow-call", [this, state, shared]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    MutexLock lock(lane_);
    slow = state.get();
    (*shared)();
    slow = nullptr;
    state->left = true;
    --running_;
    changed_.SignalAll();
  });
  if (!started) return (*shared)();
  ++running_;  // before it has the lane
  while (!state->left) changed_.Wait(lane_);
}

cl::DispatchTable SlowCalls::LeaveLaneIn(const cl::DispatchTable& driver) {
  driver_table = &driver;
  cl::DispatchTable table = driver;
  Replace<&cl::DispatchTable::clBuildProgram>(&table);
  Replace<&cl::DispatchTable::clCompileProgram>(&table);
  Replace<&cl::DispatchTable::clLinkProgram>(&table);
  return table;
}

}  // namespace xpool::worker
