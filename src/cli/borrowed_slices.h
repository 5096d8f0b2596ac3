// Slices that `xpool run --on` has borrowed of other nodes: kept by renewing the loans while the program runs, told to
// the program by a file, and returned at the end. One thread renews; what goes wrong is printed once.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "cli/lender.h"
#include "cli/slice_list.h"

namespace xpool::cli {

struct BorrowOptions {
  std::vector<NodeAddress> nodes;  // in this order; one slice of each before a second one of any
  int count = 1;
  v1::SliceSpec spec;  // of each
  std::string program;
  std::function<bool()> cancelled;
};

class BorrowedSlices {
 public:
  // When the nodes together do not lend so many, what each of them said. CANCELLED. Returns what it got before then.
  static absl::StatusOr<std::unique_ptr<BorrowedSlices>> Borrow(const BorrowOptions& options, std::ostream& err,
                                                                const Clock* clock);
  // Returns the loans.
  ~BorrowedSlices();

  // Starts the thread. Call in the process that stays.
  void KeepRenewing();

  std::string file() const { return list_.path(); }

  struct Held {
    NodeAddress node;
    v1::Loan loan;
    int64_t token_ns = 0;  // when the token in the file was given
    bool told = false;     // that it cannot be renewed
    bool gone = false;     // for good
  };
  std::vector<Held> held() const;

 private:
  static constexpr int64_t kRenewNs = 10 * kNsPerSec;  // a sixth of the lender's grace
  static constexpr int64_t kRetryNs = 2 * kNsPerSec;   // after one that failed

  BorrowedSlices(SliceList list, std::ostream& err, const Clock* clock)
      : list_(std::move(list)), err_(err), clock_(clock) {}

  absl::Status BorrowAll(const BorrowOptions& options);
  absl::Status WriteList();
  void Run();
  void RenewAll();
  int64_t PauseNs() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool RenewOne(Held& held);
  void Tell(Held& held, const absl::Status& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const SliceList list_;
  std::ostream& err_;
  const Clock* const clock_;
  std::thread thread_;

  mutable Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Held> held_ ABSL_GUARDED_BY(mutex_);  // neither more nor fewer after Borrow()
};

}  // namespace xpool::cli
