// Counts the uses of slice tokens that may not be used without end, and remembers each until it expires. An agent has
// one.
//
// It is memory alone. A token from before it was made might have been used already, so it is refused: after the agent's
// restart, limited tokens are asked for anew, and unlimited ones go on. Its size is bounded: when it is full of tokens
// that are still valid, further ones are refused and none is forgotten. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "base/clock.h"
#include "pki/slice_token.h"

namespace xpool::pki {

class TokenLedger {
 public:
  static constexpr size_t kMostTokens = 65'536;  // some 6 MiB

  // |clock|: that of the tokens; it must outlive the ledger.
  explicit TokenLedger(const Clock* clock, size_t most_tokens = kMostTokens)
      : clock_(clock), most_tokens_(most_tokens), since_ns_(clock->NowNs()) {}

  // Counts one use of |token|, which CheckSliceToken() has let pass. PERMISSION_DENIED (TokenFault::kUsedUp) when it
  // has none left, RESOURCE_EXHAUSTED when the ledger is full; then nothing was counted.
  absl::Status Use(const SliceToken& token);

  size_t size() const { return uses_.size(); }

 private:
  void ForgetExpired(int64_t now_ns);

  const Clock* const clock_;
  const size_t most_tokens_;
  const int64_t since_ns_;
  absl::flat_hash_map<TokenId, uint32_t> uses_;
  absl::btree_set<std::pair<int64_t, TokenId>> by_end_;  // the same tokens, those that expire first in front
};

}  // namespace xpool::pki
