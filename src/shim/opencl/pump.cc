#include "shim/opencl/pump.h"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "shim/opencl/queue.h"
#include "slice/slice_session.h"

namespace xpool::cl {
namespace {

struct Corpse {
  void* object;
  void (*destroy)(void*);
};

// All of it belongs to one process; never destroyed.
struct State {
  explicit State(uint32_t generation) : fork_generation(generation) {}

  const uint32_t fork_generation;
  std::atomic<SliceSession*> session{nullptr};
  std::atomic<int> ready_waiting{0};
  Mutex mutex;
  std::vector<Queue*> queues ABSL_GUARDED_BY(mutex);
  std::vector<Corpse> corpses ABSL_GUARDED_BY(mutex);
};

std::atomic<State*> current_state{nullptr};

// The process's state. A child of fork() makes a new one and leaves its parent's, whose mutex may be held, alone.
State& TheState() {
  State* state = current_state.load(std::memory_order_acquire);
  while (state == nullptr || state->fork_generation != ForkGeneration()) {
    auto* fresh = new State(ForkGeneration());
    if (current_state.compare_exchange_strong(state, fresh)) return *fresh;
    delete fresh;
  }
  return *state;
}

// A reference unless the last one is already gone (the queue is being deleted).
bool TryRef(Queue* queue) {
  uint32_t count = queue->refs.load(std::memory_order_relaxed);
  while (count != 0) {
    if (queue->refs.compare_exchange_weak(count, count + 1, std::memory_order_acq_rel)) return true;
  }
  return false;
}

std::vector<Ref<Queue>> AllQueues(State& state) {
  std::vector<Ref<Queue>> queues;
  MutexLock lock(&state.mutex);
  queues.reserve(state.queues.size());
  for (Queue* queue : state.queues) {
    if (TryRef(queue)) queues.push_back(Ref<Queue>::Adopt(queue));
  }
  return queues;
}

void Bury(State& state) {
  std::vector<Corpse> corpses;
  {
    MutexLock lock(&state.mutex);
    corpses.swap(state.corpses);
  }
  for (const Corpse& corpse : corpses) corpse.destroy(corpse.object);
}

bool PumpOnWatcher() {
  const bool waiting = PumpAll();
  Bury(TheState());
  return waiting;
}

// At the process's exit, before the driver's own destructors (it was loaded earlier): nothing calls the driver any
// more.
void StopPumping() {
  const State* state = current_state.load(std::memory_order_acquire);
  if (state == nullptr || state->fork_generation != ForkGeneration()) return;
  if (SliceSession* session = state->session.load(std::memory_order_acquire)) session->StopPump();
}

thread_local bool pumping = false;
thread_local bool pump_again = false;

}  // namespace

void RegisterQueue(Queue* queue, SliceSession* session) {
  State& state = TheState();
  {
    MutexLock lock(&state.mutex);
    state.queues.push_back(queue);
  }
  SliceSession* none = nullptr;
  if (state.session.compare_exchange_strong(none, session)) {
    session->SetPump(&PumpOnWatcher);
    std::atexit(&StopPumping);
  }
}

void UnregisterQueue(Queue* queue) {
  State& state = TheState();
  MutexLock lock(&state.mutex);
  state.queues.erase(std::remove(state.queues.begin(), state.queues.end(), queue), state.queues.end());
}

Ref<Queue> FindQueueOfDriver(cl_command_queue driver) {
  for (Ref<Queue>& queue : AllQueues(TheState())) {
    if (queue->driver == driver) return std::move(queue);
  }
  return {};
}

void FinishQueuesOf(const Context& context) {
  for (const Ref<Queue>& queue : AllQueues(TheState())) {
    if (queue->context.get() == &context) queue->api->clFinish(queue->driver);
  }
}

bool PumpAll() {
  if (std::exchange(pumping, true)) {  // a queue that we drain below has woken others
    pump_again = true;
    return false;
  }
  State& state = TheState();
  do {
    pump_again = false;
    const std::vector<Ref<Queue>> queues = AllQueues(state);
    for (const Ref<Queue>& queue : queues) queue->Drain();
    // The gate is full, maybe of commands that nobody observes: without this, it would stay so.
    if (AnyReadyWaiting()) {
      for (const Ref<Queue>& queue : queues) queue->Drain(/*observe=*/true);
    }
  } while (pump_again);
  pumping = false;
  return AnyReadyWaiting();
}

void CommandsBecameReady() {
  if (InDriverCallback()) {
    KickPump();
  } else {
    PumpAll();
  }
}

void KickPump() {
  SliceSession* session = TheState().session.load(std::memory_order_acquire);
  if (session != nullptr) session->KickWatcher();
}

bool AnyReadyWaiting() { return TheState().ready_waiting.load(std::memory_order_relaxed) > 0; }

void AddReadyWaiting(int delta) { TheState().ready_waiting.fetch_add(delta, std::memory_order_relaxed); }

void DeleteOnWatcher(void* object, void (*destroy)(void*)) {
  State& state = TheState();
  {
    MutexLock lock(&state.mutex);
    state.corpses.push_back({object, destroy});
  }
  KickPump();
}

}  // namespace xpool::cl
