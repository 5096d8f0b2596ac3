// Moves recorded commands to the driver. The pump runs on the session's watcher thread after every doorbell (a lease or
// a partner came, a completion asked for it), and on a program's thread that has just made commands ready. It goes over
// all queues of the process; a queue whose token somebody else holds is left to that holder.
//
// Also here: what driver callbacks may not do themselves (destroying objects) is left to the watcher thread.
// Thread-safe. State belongs to one process: a forked child starts with an empty one.
#pragma once

#include <atomic>
#include <cstdint>

#include "shim/opencl/object.h"

namespace xpool {
class SliceSession;
}

namespace xpool::cl {

struct Context;
struct Queue;

// Queues announce themselves at creation; |session|'s watcher thread pumps from then on.
void RegisterQueue(Queue* queue, SliceSession* session);
void UnregisterQueue(Queue* queue);

// A reference to the queue with the driver handle |driver|, empty when there is none.
Ref<Queue> FindQueueOfDriver(cl_command_queue driver);

// Waits for all that the queues of |context| have forwarded.
void FinishQueuesOf(const Context& context);

// Forwards what may go, on all queues. Returns whether ready commands still wait (for a lease or for room).
bool PumpAll();

// Some command has become ready: pumps here, or on the watcher thread when called in a driver's callback.
void CommandsBecameReady();

// Asks the watcher thread to pump.
void KickPump();

// Ready commands wait in some queue because the gate said so. |delta|: one queue more or less in that state.
bool AnyReadyWaiting();
void AddReadyWaiting(int delta);

// Drops a reference from inside a driver's callback: if it is the last, the watcher thread deletes the object.
void DeleteOnWatcher(void* object, void (*destroy)(void*));
template <typename T>
void UnrefInCallback(T* object) {
  if (object->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  object->kind = Kind::kDead;
  DeleteOnWatcher(object, [](void* dead) { delete static_cast<T*>(dead); });
}

}  // namespace xpool::cl
