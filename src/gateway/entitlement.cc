#include "gateway/entitlement.h"

#include "base/status.h"

namespace xpool::gateway {
namespace {

pki::TokenSlice TokenSliceOf(const agent::SliceRecord& slice) { return {slice.number, slice.created_unix_s}; }

}  // namespace

absl::StatusOr<std::string> Tokens::Give(const agent::SliceRecord& slice, const pki::TokenHolder& holder) const {
  return pki::MakeSliceToken({.slice = TokenSliceOf(slice), .holder = holder}, pki::NewTokenId(), keys_,
                             clock_->NowNs());
}

absl::Status Tokens::Check(const std::string& token, const agent::SliceRecord& slice, const pki::TokenHolder& holder) {
  ASSIGN_OR_RETURN(
      const pki::SliceToken good,
      pki::CheckSliceToken(token, {pki::TokenPurpose::kAttach, TokenSliceOf(slice), holder}, keys_, clock_->NowNs()));
  if (good.most_uses == pki::kUnlimitedUses) return absl::OkStatus();
  MutexLock lock(&mutex_);
  return ledger_.Use(good);
}

}  // namespace xpool::gateway
