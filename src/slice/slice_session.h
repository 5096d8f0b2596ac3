// A process's hold of one slice, whoever serves it: the agent of this machine (slice/session.h), or a worker on another
// node. What the shim needs of it. Never destroyed. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>

#include "slice/lease_gate.h"
#include "slice/memory_account.h"

namespace xpool {

class SliceSession {
 public:
  virtual ~SliceSession() = default;

  virtual LeaseGate& gate() = 0;
  virtual MemoryAccount& memory() = 0;
  virtual uint64_t memory_limit_bytes() const = 0;  // as of now: a resize changes it

  // |pump| runs on a thread of the session's when KickWatcher() asks for it, and when the session is lost: forwards
  // what may go and returns whether ready commands still wait. One pump per process. Must not block for long.
  virtual void SetPump(std::function<bool()> pump) = 0;
  // No pump runs after this returns, except when it is called from the pump itself or the pump hangs for 200 ms. For
  // the process's exit, before the driver's destructors.
  virtual void StopPump() = 0;
  // Asks for the pump soon; callable from driver callbacks.
  virtual void KickWatcher() = 0;

  // True when the slice is gone for good: nothing is forwarded any more, and memory requests fail.
  virtual bool lost() const = 0;
};

}  // namespace xpool
