// Who holds how much of a slice's memory. Sessions hold credit; the sum over a slice's sessions never passes its limit,
// except that credit held before a limit was lowered, or brought along by a reattaching session, stays held: then
// nothing more is granted until enough has come back.
//
// Not thread-safe.
#pragma once

#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "agent/records.h"

namespace xpool::agent {

class MemoryLedger {
 public:
  // Adds the slice, or changes its limit.
  void SetLimit(SliceNumber slice, uint64_t limit_bytes) { slices_[slice].limit_bytes = limit_bytes; }
  void RemoveSlice(SliceNumber slice) { slices_.erase(slice); }

  // Grants |bytes| to |session|, or returns false and grants nothing.
  bool Grant(SliceNumber slice, SessionId session, uint64_t bytes);
  // Credit that a reattaching session already holds.
  void Restore(SliceNumber slice, SessionId session, uint64_t bytes);
  // Takes back at most what |session| holds.
  void Return(SliceNumber slice, SessionId session, uint64_t bytes);
  void EndSession(SliceNumber slice, SessionId session);

  uint64_t used_bytes(SliceNumber slice) const;
  uint64_t limit_bytes(SliceNumber slice) const;
  uint64_t free_bytes(SliceNumber slice) const;
  uint64_t held_bytes(SliceNumber slice, SessionId session) const;

 private:
  struct Account {
    uint64_t limit_bytes = 0;
    uint64_t used_bytes = 0;  // sum over |held|
    absl::flat_hash_map<SessionId, uint64_t> held;
  };

  const Account* Find(SliceNumber slice) const;

  absl::flat_hash_map<SliceNumber, Account> slices_;
};

}  // namespace xpool::agent
