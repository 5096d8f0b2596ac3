// What the arbiter knows of one client. Internal to src/arbiter.
#pragma once

#include <cstdint>
#include <limits>

#include "arbiter/arbiter.h"
#include "arbiter/token_bucket.h"

namespace xpool::arbiter {

enum class ClientState : uint8_t {
  kAway,      // wants nothing
  kWaiting,   // wants a lease
  kBusy,      // holds one
  kIdle,      // holds one and has nothing to run
  kRevoking,  // told to stop; what is in flight drains
  kTaking,    // idle; the lease is being taken
};

// The lease as the client was last told about it.
struct LeaseTerms {
  int64_t until_ns = 0;
  int64_t inflight_bound_ns = 0;
  bool tracked = false;

  bool operator==(const LeaseTerms&) const = default;
};

struct Client {
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::min() / 2;

  ClientId id = 0;
  Terms terms;
  double weight = 1;  // fraction of the XPU
  double occupancy = 1;
  ClientState state = ClientState::kAway;
  bool want_again = false;  // said it wants more before its lease had ended
  bool throttled = false;   // waiting, but its bucket does not cover a lease yet
  bool guest = false;  // joined past a waiter that does not fit: fills what is left over, and is not charged for it
  TokenBucket bucket;

  // Virtual time: lease time charged, divided by the weight.
  double vtime = 0;
  int64_t left_ns = kNever;  // when it went away, and its class's clock then
  double left_clock = 0;

  int64_t want_ns = 0;
  int64_t idle_since_ns = kNever;
  int64_t last_active_ns = kNever;
  int64_t reported_gap_ns = 0;  // 0: unknown
  int64_t observed_gap_ns = 0;  // 0: unknown

  LeaseTerms lease;
  LeaseTerms sent;
  bool announced = false;  // |sent| is what the client knows; false right after a grant
  bool adopted = false;    // holds a lease that this arbiter did not give
  Usage usage;

  int cls() const { return static_cast<int>(terms.priority); }
  bool waiting() const { return state == ClientState::kWaiting; }
  bool eligible() const { return waiting() && !throttled; }
  bool holding() const { return state >= ClientState::kBusy; }
  bool running() const { return state == ClientState::kBusy || state == ClientState::kIdle; }
  bool active() const { return state != ClientState::kAway; }
};

}  // namespace xpool::arbiter
