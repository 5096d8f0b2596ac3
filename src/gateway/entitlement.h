// Who may have a session on which slice. The kernel vouches for users of this machine, a certificate for those of
// others; beyond that a slice token is needed (pki/slice_token.h), unless a user of this machine owns the slice.
// Thread-safe.
#pragma once

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/records.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "pki/slice_token.h"
#include "pki/token_keys.h"
#include "pki/token_ledger.h"

namespace xpool::gateway {

// The agent's slice tokens: given and taken.
class Tokens {
 public:
  Tokens(const pki::TokenKeys& keys, const Clock* clock) : keys_(keys), clock_(clock), ledger_(clock) {}

  // For |holder| to attach to |slice|, as often as it likes, for pki::kTokenLifeNs.
  absl::StatusOr<std::string> Give(const agent::SliceRecord& slice, const pki::TokenHolder& holder) const;

  // PERMISSION_DENIED, UNAUTHENTICATED or INVALID_ARGUMENT say what is wrong with |token|.
  absl::Status Check(const std::string& token, const agent::SliceRecord& slice, const pki::TokenHolder& holder);

 private:
  const pki::TokenKeys keys_;
  const Clock* const clock_;
  Mutex mutex_;
  pki::TokenLedger ledger_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace xpool::gateway
