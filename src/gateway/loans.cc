#include "gateway/loans.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agent/control_convert.h"
#include "base/random.h"
#include "base/status.h"

namespace xpool::gateway {
namespace {

constexpr size_t kSecretBytes = 16;

std::string HashOf(const std::string& secret) {
  std::string hash(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(secret.data()), secret.size(),
         reinterpret_cast<unsigned char*>(hash.data()));
  return absl::BytesToHexString(hash);
}

bool SameHash(const std::string& a, const std::string& b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

absl::Status NoSuchLoan(const std::string& slice_id) {
  return absl::NotFoundError(absl::StrCat(
      "slice ", slice_id, " is not lent any more: it was deleted on its node, or its loan was not renewed in time"));
}

}  // namespace

Loans::Loans(agent::Agent* agent, Tokens* tokens) : agent_(agent), tokens_(tokens) {
  const int64_t due_ns = agent->clock()->NowNs() + kGraceNs;
  MutexLock lock(&mutex_);
  for (agent::LoanRecord& record : agent->LoanRecords()) {
    const agent::SliceNumber slice = record.slice;
    loans_[slice] = {std::move(record), due_ns};
  }
  thread_ = std::thread([this] { EndOverdue(); });
}

Loans::~Loans() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.SignalAll();
  }
  thread_.join();
}

absl::Status Loans::CheckRoom(const std::string& borrower) {
  MutexLock lock(&mutex_);
  const auto has = static_cast<size_t>(std::count_if(
      loans_.begin(), loans_.end(), [&](const auto& entry) { return entry.second.record.borrower == borrower; }));
  if (has < kMostEach) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat(borrower, " has borrowed ", has, " slices of this node; return some"));
}

absl::StatusOr<v1::Loan> Loans::Borrow(const v1::BorrowRequest& request, const std::string& borrower,
                                       const pki::TokenHolder& holder) {
  if (request.spec().owner_pid() != 0)
    return absl::InvalidArgumentError("a slice that is lent ends with its loan, not with a process of another machine");
  RETURN_IF_ERROR(CheckRoom(borrower));
  ASSIGN_OR_RETURN(agent::SliceRequest wanted, agent::FromProto(request.spec()));
  wanted.owner_uid = geteuid();  // no other user of this machine has a part in it
  ASSIGN_OR_RETURN(agent::SliceView view, agent_->CreateSlice(std::move(wanted)));
  absl::StatusOr<v1::Loan> loan = Lend(view, borrower, holder);
  if (!loan.ok()) agent_->DeleteSlice(view.slice.id(), /*force=*/true).IgnoreError();
  return loan;
}

absl::StatusOr<v1::Loan> Loans::Lend(const agent::SliceView& view, const std::string& borrower,
                                     const pki::TokenHolder& holder) {
  std::string secret(kSecretBytes, '\0');
  RETURN_IF_ERROR(FillRandom(std::as_writable_bytes(std::span(secret))));
  const agent::LoanRecord record{view.slice.number, HashOf(secret), borrower};
  RETURN_IF_ERROR(agent_->RecordLoan(record));
  ASSIGN_OR_RETURN(v1::Loan loan, Describe(view, holder));
  loan.set_secret(std::move(secret));
  MutexLock lock(&mutex_);
  loans_[record.slice] = {record, agent_->clock()->NowNs() + kGraceNs};
  changed_.SignalAll();
  return loan;
}

absl::StatusOr<agent::SliceNumber> Loans::Find(const std::string& slice_id, const std::string& secret) {
  const auto found = std::find_if(loans_.begin(), loans_.end(),
                                  [&](const auto& entry) { return agent::SliceId(entry.first) == slice_id; });
  if (found == loans_.end()) return NoSuchLoan(slice_id);
  if (!SameHash(found->second.record.secret_hash, HashOf(secret)))
    return absl::PermissionDeniedError(absl::StrCat("slice ", slice_id, " was lent to somebody else"));
  return found->first;
}

absl::StatusOr<v1::Loan> Loans::Renew(const v1::RenewRequest& request, const pki::TokenHolder& holder) {
  {
    MutexLock lock(&mutex_);
    ASSIGN_OR_RETURN(const agent::SliceNumber slice, Find(request.slice_id(), request.secret()));
    loans_[slice].due_ns = agent_->clock()->NowNs() + kGraceNs;
  }
  absl::StatusOr<agent::SliceView> view = agent_->GetSlice(request.slice_id());
  if (!view.ok()) return NoSuchLoan(request.slice_id());
  return Describe(*view, holder);
}

absl::Status Loans::Return(const v1::ReturnRequest& request) {
  {
    MutexLock lock(&mutex_);
    ASSIGN_OR_RETURN(const agent::SliceNumber slice, Find(request.slice_id(), request.secret()));
    loans_.erase(slice);
  }
  return agent_->DeleteSlice(request.slice_id(), /*force=*/true);
}

absl::StatusOr<v1::Loan> Loans::Describe(const agent::SliceView& view, const pki::TokenHolder& holder) const {
  v1::Loan loan;
  *loan.mutable_slice() = agent::ToProto(view);
  ASSIGN_OR_RETURN(*loan.mutable_token(), tokens_->Give(view.slice, holder));
  loan.set_token_life_ms(pki::kTokenLifeNs / kNsPerMs);
  loan.set_grace_ms(kGraceNs / kNsPerMs);
  return loan;
}

void Loans::EndOverdue() {
  pthread_setname_np(pthread_self(), "xpool-loans");
  MutexLock lock(&mutex_);
  while (!stopping_) {
    const int64_t now_ns = agent_->clock()->NowNs();
    int64_t wait_ns = std::numeric_limits<int64_t>::max();
    std::vector<agent::SliceNumber> overdue;
    for (const auto& [slice, loan] : loans_) {
      if (loan.due_ns <= now_ns) overdue.push_back(slice);
      wait_ns = std::min(wait_ns, loan.due_ns - now_ns);
    }
    for (const agent::SliceNumber slice : overdue) loans_.erase(slice);
    if (!overdue.empty()) {
      mutex_.Unlock();
      for (const agent::SliceNumber slice : overdue) {
        if (agent_->DeleteSlice(agent::SliceId(slice), /*force=*/true).ok()) {
          agent_->events().Add({.kind = "loan-ended",
                                .slice_id = agent::SliceId(slice),
                                .message = "it was not renewed: its borrower has ended, or cannot reach this node"});
        }
      }
      mutex_.Lock();
    } else if (loans_.empty()) {
      changed_.Wait(&mutex_);
    } else {
      changed_.WaitFor(&mutex_, wait_ns);
    }
  }
}

}  // namespace xpool::gateway
