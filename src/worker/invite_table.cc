#include "worker/invite_table.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace xpool::worker {

void InviteTable::DropLate() {
  const int64_t now_ns = clock_->NowNs();
  std::erase_if(entries_, [now_ns](const Entry& entry) { return entry.until_ns <= now_ns; });
}

absl::Status InviteTable::Open(const wire::PeerToken& token, const wire_cl::Invite& invite) {
  MutexLock lock(&mutex_);
  DropLate();
  if (entries_.size() >= kMost)
    return absl::ResourceExhaustedError(absl::StrCat(kMost, " direct copies are expected already"));
  entries_.push_back({token, invite, clock_->NowNs() + kLifeNs});
  return absl::OkStatus();
}

// Looks at all, so that the time says nothing about any. Their number when there is none.
size_t InviteTable::Find(const wire::PeerToken& token) const {
  size_t found = entries_.size();
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (wire::SameSecret(entries_[i].token, token)) found = i;
  }
  return found;
}

bool InviteTable::Remove(const wire::PeerToken& token) {
  MutexLock lock(&mutex_);
  const size_t found = Find(token);
  if (found == entries_.size()) return false;
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(found));
  return true;
}

absl::StatusOr<wire_cl::Invite> InviteTable::Take(const wire::PeerOpening& opening, const std::string& certificate) {
  MutexLock lock(&mutex_);
  DropLate();
  const size_t found = Find(opening.token);
  if (found == entries_.size()) return absl::PermissionDeniedError("no direct copy is expected with this token");
  const wire_cl::Invite invite = std::move(entries_[found].invite);
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(found));
  if (invite.certificate != certificate)
    return absl::PermissionDeniedError("the direct copy is expected from somebody else");
  if (invite.bytes != opening.bytes)
    return absl::InvalidArgumentError(absl::StrCat(opening.bytes, " bytes come where ", invite.bytes, " are expected"));
  return invite;
}

std::string InviteTable::Certificates() {
  MutexLock lock(&mutex_);
  DropLate();
  std::string certificates;
  for (const Entry& entry : entries_) absl::StrAppend(&certificates, entry.invite.certificate);
  return certificates;
}

bool InviteTable::empty() {
  MutexLock lock(&mutex_);
  DropLate();
  return entries_.empty();
}

}  // namespace xpool::worker
