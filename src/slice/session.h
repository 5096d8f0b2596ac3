// One process attached to one slice: the socket to the agent, the control page, the lease gate, the memory credit and
// the watcher thread that reattaches after an agent restart. The shim of any API uses it; it knows no vendor API.
//
// Attach() happens at most once per process, at the first API call that needs a device; no thread exists before it. In
// a child after fork() the parent's session is dead: Current() attaches anew (the child never touches the parent's page
// or socket). Thread-safe. Never destroyed: the process's exit ends the session.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "slice/lease_gate.h"
#include "slice/memory_account.h"

namespace xpool {

struct SliceInfo {
  uint64_t session_id = 0;
  std::string slice_id, xpu_id, driver_library, device_name;
  uint32_t platform_index = 0, device_index = 0;
  uint64_t memory_limit_bytes = 0;
};

class Session {
 public:
  // The process's session, attaching on first use by $XPOOL_SLICE and ClientAgentPaths(). An error says why no slice
  // can be had (no agent, unknown slice, version mismatch, no permission) and what to do; it is also written to stderr
  // once, as one line.
  static absl::StatusOr<Session*> Current();

  const SliceInfo& info() const;
  LeaseGate& gate();
  MemoryAccount& memory();
  uint64_t memory_limit_bytes() const;  // as of now: a resize changes it

  // |pump| runs on the watcher thread after every doorbell (a lease came, a partner came, a completion asked for it):
  // forwards what may go and returns whether ready commands still wait. One pump per process. Must not block for long.
  void SetPump(std::function<bool()> pump);

  // Asks the watcher thread to pump soon; callable from driver callbacks (one eventfd write, no lock).
  void KickWatcher();
};

}  // namespace xpool
