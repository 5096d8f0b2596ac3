// The session's side of the slice's memory ledger. The agent holds the ledger over all sessions of the slice and hands
// out credit; Reserve() and Release() work on the local credit and ask the agent only when it is used up, so that most
// allocations cost two atomic operations. Unused credit above a small chunk goes back by itself, and at once when the
// agent asks (memory_trim).
//
// Thread-safe.
#pragma once

#include <cstdint>

#include "absl/status/status.h"

namespace xpool {

class MemoryAccount {
 public:
  virtual ~MemoryAccount() = default;

  // Charges |bytes|, or returns RESOURCE_EXHAUSTED (asked, used, limit) and charges nothing. May wait for the agent's
  // answer.
  virtual absl::Status Reserve(uint64_t bytes) = 0;

  // REQUIRES: |bytes| were reserved and not yet released.
  virtual void Release(uint64_t bytes) = 0;

  virtual uint64_t used_bytes() const = 0;
};

}  // namespace xpool
