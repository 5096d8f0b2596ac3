// The lease gate of one session: decides whether a command may be forwarded to the driver now, bounds what is in
// flight, and plays the client's side of the lease word (slice/control_page.h). It knows nothing of the vendor API:
// commands are estimates in, completions out. One per attached process, shared by all its queues.
//
// Thread-safe. Admit() is the launch path: while alone on the XPU it is two atomic operations and no clock reading.
// The gate never calls the driver and never blocks for a lease.
//
// Why no work is missed when a partner arrives: Admit() counts the command as in flight first and loads the word second
// (both sequentially consistent), so whoever sees `tracked` set and then reads the in-flight count sees every command
// that was admitted without it. All of the client's transitions of the word happen under the gate's mutex.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <functional>

#include "absl/base/thread_annotations.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "slice/control_page.h"

namespace xpool {

class LeaseGate {
 public:
  enum class Verdict {
    kForward,         // forward now; its completion need not be observed
    kForwardTracked,  // forward now and call Complete() once it (and all before it in its queue) is known complete
    kWait,            // keep it in the software queue; the gate has noted that work waits
  };

  // Estimates outside these count as these; sums given to Complete() should be of clamped estimates.
  static constexpr int64_t kMinEstimateNs = 100;
  static constexpr int64_t kMaxEstimateNs = 4 * kNsPerSec;
  // A client whose idle gaps are shorter than this does not wake the agent at each of them.
  static constexpr int64_t kShortGapNs = 100 * kNsPerUs;
  static constexpr int64_t kMaxQuantumNs = kNsPerSec;

  // |ring_agent| wakes the agent; |kick_watcher| (may be empty) asks the session's watcher to pump. Both are called
  // without locks from any thread, and must not call back into the gate. The page is attached later (and replaced after
  // an agent restart): until then Admit() says kWait.
  LeaseGate(const Clock* clock, std::function<void()> ring_agent, std::function<void()> kick_watcher = {});

  // Attaches |page|; its word is what the agent granted or, at reattaching, adopted from Hello.lease_bits. A lease that
  // was drained on the page before and is still held on this one is given back; waiting work is asked for again.
  // The caller pumps afterwards. REQUIRES: |page| stays mapped for the gate's life.
  void AttachPage(ControlPage* page);

  // For a slice whose leases are somebody else's matter, as behind a worker: Admit() says kForward to everything, and
  // nothing is counted. Before the first Admit(), instead of a page.
  void StayOpen() { open_.store(true, std::memory_order_relaxed); }

  // From now on Admit() says kWait and nothing touches the page: the slice is gone.
  void Detach();

  // The same for the child of a fork, in which another thread may have held the mutex: takes no lock, and neither does
  // any later call on this gate.
  void DetachAfterFork() { page_.store(nullptr, std::memory_order_relaxed); }

  static constexpr int64_t ClampEstimate(int64_t estimate_ns) {
    return estimate_ns < kMinEstimateNs ? kMinEstimateNs : estimate_ns > kMaxEstimateNs ? kMaxEstimateNs : estimate_ns;
  }

  // May a ready command of about |estimate_ns| run now? On kForward* it counts as in flight until Complete().
  // After kWait the caller makes the command visible to the pump and then tries once more (or kicks the watcher): a
  // lease or room that came in between was seen by nobody.
  Verdict Admit(int64_t estimate_ns);

  // |commands| admitted commands with |estimate_ns| in sum are known complete (or failed to be forwarded). When nothing
  // is in flight any more and the lease is tracked, goes IDLE, or gives the lease back when it has ended. |more_ready|:
  // ready commands wait in a software queue. Returns whether the caller must pump, because some of them would be
  // admitted now: waking the pump at every completion, for little or no room, would take the cores from the work.
  bool Complete(uint32_t commands, int64_t estimate_ns, bool more_ready);

  // True when completions of untracked commands must be found out now: a partner has arrived, or a command waits for
  // room in flight. The pump asks after each doorbell.
  bool MustTrack() const;

  // After a doorbell, when the queues' pumps have run: settles the word (REVOKE or an ended lease with nothing in
  // flight is given back; a tracked lease with nothing in flight and nothing ready goes IDLE).
  void Settle(bool more_ready);

  int64_t inflight_ns() const { return Inflight{inflight_.load(std::memory_order_relaxed)}.ns(); }
  uint32_t inflight_commands() const { return Inflight{inflight_.load(std::memory_order_relaxed)}.commands(); }

  // The lease word as it stands; for reattaching.
  LeaseWord word() const;

 private:
  // What is in flight, in one word so that one atomic operation charges both: | commands (24) | nanoseconds (40) |.
  struct Inflight {
    static constexpr int kNsBits = 40;
    uint64_t bits = 0;

    static constexpr Inflight Of(uint64_t commands, int64_t ns) {
      return {(commands << kNsBits) | static_cast<uint64_t>(ns)};
    }
    constexpr int64_t ns() const { return static_cast<int64_t>(bits & ((uint64_t{1} << kNsBits) - 1)); }
    constexpr uint32_t commands() const { return static_cast<uint32_t>(bits >> kNsBits); }
    // Never below zero, and no nanoseconds without commands: a caller's rounding cannot pile up.
    Inflight Less(uint32_t commands, int64_t ns) const;
  };

  // What to do once the mutex is free.
  struct Effects {
    bool ring_agent = false;
    bool kick_watcher = false;
  };

  static bool IsAlone(LeaseWord word) {
    return (word.bits & (3 | kLeaseTracked)) == static_cast<uint64_t>(LeaseState::kBusy);
  }
  static int64_t QuantumNs(const ControlPage& page);
  // Whether a lone holder's command that takes the in-flight time from |before_ns| to |after_ns| must be observed:
  // about every quarter quantum, and always the one that fills it.
  static bool NeedsTracking(int64_t before_ns, int64_t after_ns, int64_t quantum_ns) {
    const int shift = std::bit_width(static_cast<uint64_t>(quantum_ns) >> 3);
    return after_ns >= quantum_ns || (before_ns >> shift) != (after_ns >> shift);
  }

  Inflight Subtract(uint32_t commands, int64_t ns);
  // What a holder by |word| may have in flight at |now_ns|; 0: its lease has ended.
  static int64_t BoundNs(const ControlPage& page, LeaseWord word, int64_t now_ns);
  bool IsWorthPumping(const ControlPage& page) const;
  Verdict AdmitSlow(int64_t charge_ns);
  Verdict AdmitLocked(ControlPage& page, int64_t charge_ns, Effects& effects) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  LeaseWord ResumeLocked(ControlPage& page) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndGapLocked(ControlPage& page, int64_t now_ns) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WantLocked(ControlPage& page, Effects& effects) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SettleLocked(ControlPage& page, int64_t now_ns, bool more_ready, Effects& effects)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool GoIdleLocked(ControlPage& page, LeaseWord word, int64_t now_ns, Effects& effects)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool GiveBackLocked(ControlPage& page, LeaseWord word, int64_t now_ns, bool more_ready, Effects& effects)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PublishGapLocked(ControlPage& page) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Carry(const Effects& effects) const;

  const Clock* const clock_;
  const std::function<void()> ring_agent_;
  const std::function<void()> kick_watcher_;
  std::atomic<ControlPage*> page_{nullptr};
  std::atomic<bool> open_{false};
  std::atomic<uint64_t> inflight_{0};        // Inflight
  std::atomic<bool> waits_for_room_{false};  // a lone holder's command was refused since the last completion
  Mutex mutex_;                              // serialises the word's transitions by this client
  bool waits_for_lease_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t asked_ns_ ABSL_GUARDED_BY(mutex_) = 0;        // when it began to
  int64_t idle_since_ns_ ABSL_GUARDED_BY(mutex_) = -1;  // when it last ran dry; -1: it has work
  int64_t gap_ns_ ABSL_GUARDED_BY(mutex_) = -1;         // EWMA; -1: no gap seen yet
};

inline int64_t LeaseGate::QuantumNs(const ControlPage& page) {
  const int64_t quantum_ns = page.quantum_ns.load(std::memory_order_relaxed);
  return quantum_ns < 1 ? 1 : quantum_ns > kMaxQuantumNs ? kMaxQuantumNs : quantum_ns;
}

inline LeaseGate::Verdict LeaseGate::Admit(int64_t estimate_ns) {
  ControlPage* page = page_.load(std::memory_order_acquire);
  if (page == nullptr) return open_.load(std::memory_order_relaxed) ? Verdict::kForward : Verdict::kWait;
  const int64_t charge_ns = ClampEstimate(estimate_ns);
  const Inflight before{inflight_.fetch_add(Inflight::Of(1, charge_ns).bits, std::memory_order_seq_cst)};
  if (IsAlone(LeaseWord{page->lease.load(std::memory_order_seq_cst)})) {
    const int64_t quantum_ns = QuantumNs(*page);
    const int64_t before_ns = before.ns();
    if (before_ns < quantum_ns) {
      const bool tracked = NeedsTracking(before_ns, before_ns + charge_ns, quantum_ns);
      return tracked ? Verdict::kForwardTracked : Verdict::kForward;
    }
  }
  return AdmitSlow(charge_ns);
}

}  // namespace xpool
