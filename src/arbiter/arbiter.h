// Who runs on one XPU, and for how long. Pure code: no clock, no I/O, no threads; the caller passes the time and
// carries the decisions out. The agent drives it with real sessions, the property tests and the simulator with made-up
// ones.
//
// A client here is a slice on this XPU (the agent folds the slice's sessions into one). Its life:
//   away -> waiting (Want) -> holding (Grant) -> idle (Idle) -> holding (Busy) ... -> away (Returned; Want again if
//   more waits)
//
// Policy:
//   Classes are strict. A waiter of a higher class ends the leases of lower ones and starts at once, beside what they
//   still have in flight; while a higher class is present, lower holders are tracked and keep little in flight.
//   Inside a class, weighted fair virtual time by guarantee, charged only while somebody else of the class waits. Every
//   lease is a quantum long; weights decide how often one comes, and a holder that is again first at its end is
//   prolonged before it drains. An overrun is charged in full, so it is debt. No guarantee means kNoGuaranteeWeight.
//   A token bucket for each client with limit < 100 %, charged for all the time it holds, also alone.
//   An idle holder keeps its lease while nobody waits (unless it has a limit: idling would spend it), else for a grace
//   of twice its own usual gap (min_grace_ns at least), charged to it; none when its gaps are longer than max_grace_ns.
//   Co-run: waiters of the holders' class join them while the occupancies sum to 1 at most, or while none of them is
//   large and each still runs at its guarantee or faster; contended time is then charged in proportion to occupancy. A
//   waiter that may not join gets its turn when the present leases end: who joins past it must fit, and neither
//   outlasts them nor is charged, since it fills what would be left over.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/share.h"

namespace xpool::arbiter {

using ClientId = uint64_t;

// The weight of a slice with guarantee 0, against 1 for one with 100 %: too little to touch anybody's guarantee, enough
// for a turn every few seconds on a saturated XPU.
inline constexpr double kNoGuaranteeWeight = 0.001;

enum class Priority : uint8_t { kHigh = 0, kNormal = 1, kLow = 2 };

struct Terms {
  Share guarantee;              // weight, and the share due when others want the XPU too
  Share limit = Share::Full();  // never exceeded, also when alone
  Priority priority = Priority::kNormal;
};

struct Options {
  int64_t quantum_ns = 5 * kNsPerMs;            // a lease's length while somebody else waits
  int64_t max_grace_ns = 1'250 * kNsPerUs;      // longest wait for an idle holder to come back: a quarter quantum
  int64_t min_grace_ns = 500 * kNsPerUs;        // shortest: a wake-up that the scheduler delays costs nobody its lease
  int64_t preempted_bound_ns = 500 * kNsPerUs;  // what a holder may have in flight while a higher class is present
  int64_t presence_ns = 1 * kNsPerSec;          // how long after its last activity a client counts as present
  int64_t lag_window_ns = 20 * kNsPerMs;        // a client away for less keeps its place in virtual time
};

enum class ActionKind : uint8_t {
  kGrant,   // give a lease: until_ns, inflight_bound_ns, tracked
  kUpdate,  // the holder's lease changes in place: it is now tracked (or no longer), with a new end or bound
  kRevoke,  // the holder's lease has ended; it will come back through Returned()
  kTake,    // take the idle holder's lease: answer with Returned() when it worked, Busy() when the client was faster
};

struct Action {
  ActionKind kind;
  ClientId client = 0;
  int64_t until_ns = 0;
  int64_t inflight_bound_ns = 0;
  bool tracked = false;
};

// What has been charged to a client so far, for `xpool top`, metrics and tests. Waiting includes waiting for the
// limit's tokens.
struct Usage {
  int64_t held_ns = 0;       // all time with a lease
  int64_t contended_ns = 0;  // its part of the time in which somebody else waited: the charged share's numerator
  int64_t waited_ns = 0;     // time spent waiting for a lease
  uint64_t leases = 0;
  int64_t debt_ns = 0;  // lease time it is ahead of its fair place by, beyond a quantum; or owes to its limit
};

class Arbiter {
 public:
  explicit Arbiter(const Options& options);
  ~Arbiter();

  // REQUIRES: |client| is new.
  void Add(ClientId client, const Terms& terms, int64_t now_ns);
  // Hot resize; takes effect with the next decision.
  void SetTerms(ClientId client, const Terms& terms, int64_t now_ns);
  // Measured fraction of the XPU that the client's work fills while it holds a lease alone, in (0, 1]; 1 until known.
  void SetOccupancy(ClientId client, double occupancy);
  // Learned length of the client's own gaps between work while holding; the grace before its idle lease is taken
  // follows it. 0: unknown, which gives the full grace. The arbiter also observes how soon a client whose idle lease
  // was taken wants one again, so that one slow phase does not cost a client its grace for ever.
  void SetGap(ClientId client, int64_t gap_ns);
  void Remove(ClientId client, int64_t now_ns);

  // After a restart: |client| already holds a lease of the agent before. REQUIRES: Add(|client|) went before.
  void AdoptHolder(ClientId client, int64_t now_ns);

  // What the clients did. Events about unknown clients or in the wrong state are ignored: they come from other
  // processes.
  // Idle() again with a later |since_ns| says that the client was busy in between: the agent may see only every other
  // change of the lease word, and should look at it before each Decide().
  void Want(ClientId client, int64_t now_ns);
  void Idle(ClientId client, int64_t since_ns, int64_t now_ns);
  void Busy(ClientId client, int64_t now_ns);
  void Returned(ClientId client, int64_t now_ns);

  // What to do now. Call after every batch of events and at NextDeadline().
  std::vector<Action> Decide(int64_t now_ns);

  // When Decide() should be called next if nothing happens; nullopt: only after the next event.
  std::optional<int64_t> NextDeadline() const;

  Usage UsageOf(ClientId client, int64_t now_ns) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace xpool::arbiter
