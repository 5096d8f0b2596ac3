// The live handles that a kernel argument can name: memory objects, samplers and queues. A program may pass any bytes
// as an argument, so a handle is looked up here before it is followed; and since setting an argument does not retain,
// what is kept of one (address and id) is looked up again when a command is recorded. Sharded by address; a look-up is
// one short lock. Thread-safe.
#pragma once

#include <cstdint>

#include "shim/opencl/object.h"

namespace xpool::cl {

// Base of the objects that can be kernel arguments. T passes its kind, the driver's handle and &DestroyLive<T>.
struct LiveObject : Object {
  LiveObject(Kind kind, void* driver_handle, void (*destroy)(LiveObject*));
  ~LiveObject();

  void* const driver_handle;
  void (*const destroy)(LiveObject*);
  const uint64_t id;  // never used twice in a process, unlike addresses
};

template <typename T>
void DestroyLive(LiveObject* object) {
  delete static_cast<T*>(object);
}

// Drops a reference to an object of whatever kind it is.
template <>
void Unref<LiveObject>(LiveObject* object);

// The object at |address| with a reference taken, or empty when no live object of |kind| is there. With |id| other than
// zero it must also be that one.
Ref<LiveObject> FindLive(const void* address, Kind kind, uint64_t id = 0);

// The same for any of the kinds.
Ref<LiveObject> FindLiveOfAnyKind(const void* address);

}  // namespace xpool::cl
