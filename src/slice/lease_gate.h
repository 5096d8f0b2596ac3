// The lease gate of one session: decides whether a command may be forwarded to the driver now, bounds what is in
// flight, and plays the client's side of the lease word (slice/control_page.h). It knows nothing of the vendor API:
// commands are estimates in, completions out. One per attached process, shared by all its queues.
//
// Thread-safe. Admit() is the launch path: while alone on the XPU it is two atomic operations and no clock reading.
// The gate never calls the driver and never blocks.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "slice/control_page.h"

namespace xpool {

class LeaseGate {
 public:
  enum class Verdict {
    kForward,         // forward now; its completion need not be observed
    kForwardTracked,  // forward now and call Complete() once it (and all before it in its queue) is known complete
    kWait,            // keep it in the software queue; the gate has noted that work waits
  };

  // |ring_agent| wakes the agent. The page is attached later (and replaced after an agent restart): until then Admit()
  // says kWait.
  LeaseGate(const Clock* clock, std::function<void()> ring_agent);

  // Attaches |page|. When the session holds a lease from an agent before, the caller has copied the word into it.
  // REQUIRES: |page| stays mapped for the gate's life.
  void AttachPage(ControlPage* page);

  // May a ready command of about |estimate_ns| run now? On kForward* it counts as in flight until Complete().
  Verdict Admit(int64_t estimate_ns);

  // |commands| admitted commands with |estimate_ns| in sum are known complete (or failed to be forwarded). When nothing
  // is in flight any more and the lease is tracked, goes IDLE, or gives the lease back when it has ended. |more_ready|:
  // ready commands wait in a software queue (the caller will Admit() again at once).
  void Complete(uint32_t commands, int64_t estimate_ns, bool more_ready);

  // True when completions of untracked commands must be found out now (a partner has arrived). The watcher asks after
  // each doorbell.
  bool MustTrack() const;

  // After a doorbell, when the queues' pumps have run: settles the word (REVOKE or an ended lease with nothing in
  // flight is given back; a tracked lease with nothing in flight and nothing ready goes IDLE).
  void Settle(bool more_ready);

  int64_t inflight_ns() const { return inflight_ns_.load(std::memory_order_relaxed); }
  uint32_t inflight_commands() const { return inflight_commands_.load(std::memory_order_relaxed); }

  // The lease word as it stands; for reattaching.
  LeaseWord word() const;

 private:
  Verdict AdmitSlow(int64_t estimate_ns);
  Verdict Wait(int64_t estimate_ns);
  void SettleLocked(bool more_ready) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock* const clock_;
  const std::function<void()> ring_agent_;
  std::atomic<ControlPage*> page_{nullptr};
  std::atomic<int64_t> inflight_ns_{0};
  std::atomic<uint32_t> inflight_commands_{0};
  std::atomic<int64_t> untracked_ns_{0};  // forwarded since the last tracked command
  absl::Mutex mutex_;                     // serialises the word's transitions by this client
  int64_t idle_since_ns_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace xpool
