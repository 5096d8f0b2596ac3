// Slices that are lent to other machines: made when asked for, kept as long as their borrower renews the loan, then
// deleted. A borrower that is killed or cut off loses its slice after the grace; one that comes back within finds it,
// and so does one whose lender's agent was started again meanwhile.
//
// Thread-safe. One thread waits for the next loan that is overdue.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/agent.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "gateway/entitlement.h"
#include "lending.pb.h"
#include "pki/slice_token.h"

namespace xpool::gateway {

class Loans {
 public:
  // Longer than a session outlives its connection and a borrower lets pass between renewals together: a program that
  // comes back in time finds its slice.
  static constexpr int64_t kGraceNs = 60 * kNsPerSec;
  static constexpr size_t kMostEach = 256;  // loans of one borrower

  // |agent| and |tokens| must outlive this. Loans from before the agent's start have a grace anew.
  Loans(agent::Agent* agent, Tokens* tokens);
  ~Loans();

  // |borrower| is for people; |holder| is who may attach to the slice.
  absl::StatusOr<v1::Loan> Borrow(const v1::BorrowRequest& request, const std::string& borrower,
                                  const pki::TokenHolder& holder);
  // NOT_FOUND when the slice is no more, PERMISSION_DENIED for another secret.
  absl::StatusOr<v1::Loan> Renew(const v1::RenewRequest& request, const pki::TokenHolder& holder);
  absl::Status Return(const v1::ReturnRequest& request);

 private:
  struct Loan {
    agent::LoanRecord record;
    int64_t due_ns = 0;
  };

  absl::Status CheckRoom(const std::string& borrower);
  absl::StatusOr<agent::SliceNumber> Find(const std::string& slice_id, const std::string& secret)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // |view| is |borrower|'s from now on.
  absl::StatusOr<v1::Loan> Lend(const agent::SliceView& view, const std::string& borrower,
                                const pki::TokenHolder& holder);
  absl::StatusOr<v1::Loan> Describe(const agent::SliceView& view, const pki::TokenHolder& holder) const;
  void EndOverdue();

  agent::Agent* const agent_;
  Tokens* const tokens_;
  Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<agent::SliceNumber, Loan> loans_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace xpool::gateway
