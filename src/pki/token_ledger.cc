#include "pki/token_ledger.h"

#include "base/status.h"

namespace xpool::pki {

absl::Status TokenLedger::Use(const SliceToken& token) {
  if (token.most_uses == kUnlimitedUses) return absl::OkStatus();
  if (token.valid_from_ns < since_ns_) {
    return TokenError(TokenFault::kUsedUp,
                      "the slice token is older than the agent's run, which cannot know whether it was used before: ask"
                      " for another");
  }
  const int64_t now_ns = clock_->NowNs();
  ForgetExpired(now_ns);
  // It may have expired since it was checked, and be forgotten with the others.
  if (token.valid_until_ns <= now_ns)
    return TokenError(TokenFault::kExpired, "the slice token has just expired: ask the agent for another");
  const auto found = uses_.find(token.id);
  if (found == uses_.end()) {
    if (uses_.size() >= most_tokens_) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the agent keeps ", most_tokens_,
                       " slice tokens of limited use in mind and has no room for another: try again"
                       " in some minutes"));
    }
    uses_.emplace(token.id, 1);
    by_end_.emplace(token.valid_until_ns, token.id);
    return absl::OkStatus();
  }
  if (found->second >= token.most_uses) {
    return TokenError(TokenFault::kUsedUp,
                      absl::StrCat("the slice token was used ", found->second, found->second == 1 ? " time" : " times",
                                   ", as often as it may be: ask the agent for another"));
  }
  ++found->second;
  return absl::OkStatus();
}

void TokenLedger::ForgetExpired(int64_t now_ns) {
  while (!by_end_.empty() && by_end_.begin()->first <= now_ns) {
    uses_.erase(by_end_.begin()->second);
    by_end_.erase(by_end_.begin());
  }
}

}  // namespace xpool::pki
