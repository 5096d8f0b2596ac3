#include "cli/borrowed_slices.h"

#include <pthread.h>

#include <algorithm>
#include <future>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"

namespace xpool::cli {

absl::StatusOr<std::unique_ptr<BorrowedSlices>> BorrowedSlices::Borrow(const BorrowOptions& options, std::ostream& err,
                                                                       const Clock* clock) {
  ASSIGN_OR_RETURN(SliceList list, SliceList::Create());
  std::unique_ptr<BorrowedSlices> borrowed(new BorrowedSlices(std::move(list), err, clock));
  RETURN_IF_ERROR(borrowed->BorrowAll(options));
  RETURN_IF_ERROR(borrowed->WriteList());
  return borrowed;
}

absl::Status BorrowedSlices::BorrowAll(const BorrowOptions& options) {
  v1::BorrowRequest request;
  *request.mutable_spec() = options.spec;
  request.set_program(options.program);
  std::vector<bool> refused(options.nodes.size(), false);
  std::vector<std::string> reasons;
  MutexLock lock(&mutex_);
  while (static_cast<int>(held_.size()) < options.count && reasons.size() < options.nodes.size()) {
    for (size_t i = 0; i < options.nodes.size() && static_cast<int>(held_.size()) < options.count; ++i) {
      if (refused[i]) continue;
      if (options.cancelled()) return absl::CancelledError("interrupted");
      absl::StatusOr<v1::Loan> loan = Lender(options.nodes[i]).Borrow(request);
      if (loan.ok()) {
        held_.push_back({options.nodes[i], *std::move(loan), clock_->NowNs()});
        continue;
      }
      refused[i] = true;
      reasons.emplace_back(loan.status().message());
      if (options.nodes.size() == 1 && held_.empty()) return loan.status();
    }
  }
  if (static_cast<int>(held_.size()) == options.count) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("only ", held_.size(), " of ", options.count,
                                                   " slices could be had: ", absl::StrJoin(reasons, "; ")));
}

std::vector<BorrowedSlices::Held> BorrowedSlices::held() const {
  MutexLock lock(&mutex_);
  return held_;
}

absl::Status BorrowedSlices::WriteList() {
  std::vector<remote::SliceEntry> entries;
  MutexLock lock(&mutex_);
  for (const Held& held : held_) {
    entries.push_back({.address = held.node.address,
                       .node = held.node.name,
                       .slice = held.loan.slice().id(),
                       .token = held.loan.token(),
                       .identity = held.node.plain ? "" : held.node.identity,
                       .plain = held.node.plain});
  }
  return list_.Write(entries);
}

void BorrowedSlices::KeepRenewing() {
  thread_ = std::thread([this] { Run(); });
}

BorrowedSlices::~BorrowedSlices() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
  MutexLock lock(&mutex_);
  for (const Held& held : held_) {
    if (held.gone) continue;
    v1::ReturnRequest request;
    request.set_slice_id(held.loan.slice().id());
    request.set_secret(held.loan.secret());
    Lender(held.node).Return(request).IgnoreError();  // the lender notices when it is not renewed
  }
}

void BorrowedSlices::Run() {
  pthread_setname_np(pthread_self(), "xpool-renew");
  while (true) {
    {
      MutexLock lock(&mutex_);
      if (!stopping_) changed_.WaitFor(&mutex_, PauseNs());
      if (stopping_) return;
    }
    RenewAll();
  }
}

int64_t BorrowedSlices::PauseNs() const {
  const bool retry = std::any_of(held_.begin(), held_.end(), [](const Held& held) { return held.told && !held.gone; });
  return retry ? kRetryNs : kRenewNs;
}

// All at once: one node that cannot be reached must not cost the others their loans.
void BorrowedSlices::RenewAll() {
  std::vector<std::future<bool>> renewals;
  {
    MutexLock lock(&mutex_);
    for (Held& held : held_)
      renewals.push_back(std::async(std::launch::async, [this, &held] { return RenewOne(held); }));
  }
  bool new_tokens = false;
  for (std::future<bool>& renewal : renewals) new_tokens |= renewal.get();
  if (new_tokens) WriteList().IgnoreError();  // the old ones hold for a while; next time again
}

// Whether the token is to be another.
bool BorrowedSlices::RenewOne(Held& held) {
  v1::RenewRequest request;
  NodeAddress node;
  {
    MutexLock lock(&mutex_);
    if (held.gone || stopping_) return false;
    request.set_slice_id(held.loan.slice().id());
    request.set_secret(held.loan.secret());
    node = held.node;
  }
  const absl::StatusOr<v1::Loan> renewed = Lender(node).Renew(request);
  MutexLock lock(&mutex_);
  if (!renewed.ok()) {
    Tell(held, renewed.status());
    return false;
  }
  held.told = false;
  if (clock_->NowNs() - held.token_ns < renewed->token_life_ms() * kNsPerMs / 3) return false;
  held.loan.set_token(renewed->token());
  held.token_ns = clock_->NowNs();
  return true;
}

void BorrowedSlices::Tell(Held& held, const absl::Status& why) {
  const bool final = absl::IsNotFound(why) || absl::IsPermissionDenied(why);
  if (final) held.gone = true;
  if (std::exchange(held.told, true) && !final) return;
  err_ << "xpool: cannot keep slice " << held.loan.slice().id() << " of " << why.message()
       << (final ? "" : "; trying on") << "\n";
}

}  // namespace xpool::cli
