// Flow control of a lane: the receiver grants bytes, the sender spends them, so that a receiver that is slow (a worker
// whose program never reads, a client that waits) holds a bounded amount and blocks nobody else. Counted are the frames
// with their headers, control frames not; frames that are sent again after a resume were paid for the first time.
//
// What travels (wire/control.h, Credit) is the total granted since the session began: a grant that is lost or repeated
// does no harm, and after a resume each receiver just says its total again. Both sides begin with one window,
// Limits::credit_bytes. Pure; thread-compatible.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace xpool::wire {

// The sender's side.
class CreditPurse {
 public:
  explicit CreditPurse(uint64_t window_bytes) : window_bytes_(window_bytes), granted_bytes_(window_bytes) {}

  uint64_t available() const { return granted_bytes_ - spent_bytes_; }

  // Takes |bytes|, or nothing and false when there are not as many.
  bool TrySpend(uint64_t bytes) {
    if (bytes > available()) return false;
    spent_bytes_ += bytes;
    return true;
  }

  // A Credit came in. Totals that are not news change nothing. INVALID_ARGUMENT if more than a window would be
  // available: the peer then counts what was never sent as consumed.
  absl::Status OnGrant(uint64_t granted_bytes) {
    if (granted_bytes <= granted_bytes_) return absl::OkStatus();
    if (granted_bytes - spent_bytes_ > window_bytes_) {
      return absl::InvalidArgumentError(absl::StrCat("the peer grants ", granted_bytes, " bytes in all; ", spent_bytes_,
                                                     " are spent and the window is ", window_bytes_));
    }
    granted_bytes_ = granted_bytes;
    return absl::OkStatus();
  }

 private:
  const uint64_t window_bytes_;
  uint64_t granted_bytes_;
  uint64_t spent_bytes_ = 0;  // Invariant: spent_bytes_ <= granted_bytes_ <= spent_bytes_ + window_bytes_
};

// The receiver's side.
class CreditGrants {
 public:
  // |largest_frame_bytes|, with its header, must fit in |window_bytes| (CheckLimits sees to it).
  CreditGrants(uint64_t window_bytes, uint64_t largest_frame_bytes)
      : window_bytes_(window_bytes),
        // A sender waits for its next frame with less than that much available. Had everything been consumed, more than
        // window - frame would not be granted yet, so a grant is always on its way to one who waits.
        grant_every_bytes_(std::max<uint64_t>(
            1, std::min(window_bytes / 2, window_bytes - std::min(window_bytes, largest_frame_bytes)))),
        granted_bytes_(window_bytes) {}

  // A frame that is no duplicate has arrived. RESOURCE_EXHAUSTED if its sender had no credit for it: it must be dropped
  // and the connection with it, since the peer keeps no rules.
  absl::Status OnArrival(uint64_t bytes) {
    if (bytes > granted_bytes_ - arrived_bytes_) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the peer sent ", bytes, " bytes with credit for ", granted_bytes_ - arrived_bytes_));
    }
    arrived_bytes_ += bytes;
    return absl::OkStatus();
  }

  // |bytes| of what arrived are used and their memory is free. REQUIRES: no more than has arrived in all.
  void OnConsumed(uint64_t bytes) { consumed_bytes_ += std::min(bytes, arrived_bytes_ - consumed_bytes_); }

  // The total to grant, if it is time to say it; counted as granted.
  std::optional<uint64_t> TakeGrant() {
    if (consumed_bytes_ + window_bytes_ - granted_bytes_ < grant_every_bytes_) return std::nullopt;
    granted_bytes_ = consumed_bytes_ + window_bytes_;
    return granted_bytes_;
  }

  // The total granted so far: to be said again after a resume.
  uint64_t granted_bytes() const { return granted_bytes_; }

 private:
  const uint64_t window_bytes_;
  const uint64_t grant_every_bytes_;
  uint64_t granted_bytes_;
  uint64_t arrived_bytes_ = 0;   // Invariant: consumed_bytes_ <= arrived_bytes_ <= granted_bytes_
  uint64_t consumed_bytes_ = 0;  // Invariant: granted_bytes_ <= consumed_bytes_ + window_bytes_
};

}  // namespace xpool::wire
