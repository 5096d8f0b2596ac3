// The leases of one XPU: folds the sessions of each slice into one client of the arbiter, reads what the sessions say
// on their control pages, and carries the arbiter's decisions out on them. The agent's own copy (phase and epoch per
// session) is the authority; a page is a hint. Its only clock is the time passed in, so tests step it.
//
// Not thread-safe: a LeaseBroker runs it on its thread. The way from a returned lease to the next grant allocates
// nothing but the arbiter's list of actions and writes no log.
//
// A session here: none -> held (grant) -> none (given back, or taken while idle) or revoked -> none (drained). A slice
// holds as long as any of its sessions does; it is idle when all that hold are.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "agent/event_log.h"
#include "agent/occupancy_meter.h"
#include "agent/session_link.h"
#include "agent/trace_log.h"
#include "arbiter/arbiter.h"

namespace xpool::agent {

struct SliceLeaseView {
  SliceNumber slice = 0;
  arbiter::Usage usage;
  double occupancy = 1;
  bool holding = false, waiting = false;
};

class LeaseTable {
 public:
  struct Config {
    std::string xpu_id;
    uint32_t cpu_cores = 0;  // of an XPU that is this machine's CPU; 0: it is not
    int64_t hang_limit_ns = 30 * kNsPerSec;
    arbiter::Options arbiter;
  };

  // The outside world; replaced in tests.
  struct Hooks {
    std::function<void(Event)> event;
    std::function<void(SliceNumber)> drained;  // a slice being removed holds nothing any more
    std::function<int64_t(pid_t)> cpu_demand_ns;
    std::function<char(pid_t)> process_state;
    std::function<bool(const SessionLink&)> kill;
    // On a CPU XPU: the program now runs beside another, or no more.
    std::function<void(pid_t, bool share)> share_cores;
  };

  LeaseTable(Config config, Hooks hooks, TraceLog* trace);
  ~LeaseTable();

  void AddSlice(SliceNumber slice, const arbiter::Terms& terms, int64_t now_ns);
  void SetTerms(SliceNumber slice, const arbiter::Terms& terms, int64_t now_ns);
  // Takes the slice's leases away for good; it is gone once they have drained and its sessions are removed.
  void RemoveSlice(SliceNumber slice, int64_t now_ns);

  // |adopted|: the lease word that a reattaching session brings; NONE for a new one. The page holds it already.
  void AddSession(std::shared_ptr<SessionLink> link, LeaseWord adopted, int64_t now_ns);
  // It has died or left: what it held is free at once.
  void RemoveSession(SessionId session, int64_t now_ns);

  // Nothing is granted before this: sessions of before a restart may still hold leases.
  void Open(int64_t now_ns);

  // |session| rang. Unknown ids are ignored.
  void OnDoorbell(SessionId session, int64_t now_ns);

  // Looks at the holders, decides, acts. Call after every batch of the above and at NextWakeNs().
  void Settle(int64_t now_ns);
  std::optional<int64_t> NextWakeNs(int64_t now_ns) const;

  std::vector<SliceLeaseView> View(int64_t now_ns) const;

 private:
  struct Slice;
  enum class Phase : uint8_t { kNone, kHeld, kRevoked };

  struct Member {
    std::shared_ptr<SessionLink> link;
    Slice* slice = nullptr;
    Phase phase = Phase::kNone;
    uint32_t epoch = 0;
    bool idle = false;
    bool wants = false;
    bool scribbled = false;     // said so already
    bool shares_cores = false;  // as the hook was last told
    int64_t idle_since_ns = 0;
  };

  struct Slice {
    SliceNumber number = 0;
    std::vector<Member*> members;
    bool holding = false, idle = false, revoking = false, waiting = false, removed = false;
    bool tracked = false, killed = false, stop_told = false;
    int64_t until_ns = 0, bound_ns = 0;
    int64_t revoked_at_ns = 0, next_check_ns = 0;
    int64_t idle_from_ns = 0, idle_sum_ns = 0;
    OccupancyMeter occupancy;
    bool measure_start = false, measure_end = false;
    int64_t together_ns = std::numeric_limits<int64_t>::min() / 2;  // when it last ran beside another
  };

  // The control page, one session at a time.
  void Observe(Member& member, int64_t now_ns);
  void ObserveHolder(Member& member, LeaseWord word, int64_t now_ns);
  void Scribbled(Member& member);
  void Grant(Member& member);
  void Update(Member& member);
  void Revoke(Member& member);
  bool TakeIdle(Member& member);
  void Ring(const Member& member) const { member.link->RingClient(); }

  void Sweep(int64_t now_ns);
  // The slice as the arbiter's client.
  void ObserveSlice(Slice& slice, int64_t now_ns);
  void RefreshOccupancies(int64_t now_ns);
  void Fold(Slice& slice, int64_t now_ns);
  void FoldHolder(Slice& slice, int64_t now_ns);
  void SetIdle(Slice& slice, int64_t since_ns, int64_t now_ns);
  void SetBusy(Slice& slice, int64_t now_ns);
  void EndLease(Slice& slice, int64_t now_ns);
  bool MayGrant(const Slice& slice, int64_t now_ns) const;
  bool GrantWanting(Slice& slice);

  // The arbiter's actions.
  void Act(const arbiter::Action& action, int64_t now_ns);
  void ActGrant(Slice& slice, const arbiter::Action& action, int64_t now_ns);
  void ActUpdate(Slice& slice, const arbiter::Action& action, int64_t now_ns);
  void ActRevoke(Slice& slice, int64_t now_ns);
  void ActTake(Slice& slice, int64_t now_ns);

  // Off the way of a hand-over (lease_watch.cc).
  void CheckOverdue(Slice& slice, int64_t now_ns);
  void TakeFromStopped(Slice& slice, int64_t now_ns);
  void KillOverdue(Slice& slice, int64_t now_ns);
  void MeasureFromNow(Slice& slice, int64_t now_ns);  // the reading itself waits for Measure()
  void Measure(int64_t now_ns);
  void ShareCores(int64_t now_ns);
  int64_t CpuDemandNs(const Slice& slice) const;
  bool OthersWait(const Slice& slice) const;
  void Tell(const char* kind, const Member& member, std::string message) const;

  void Trace(const Slice& slice, LeaseChange what, int64_t now_ns, int64_t until_ns = 0);
  void EraseIfGone(Slice& slice, int64_t now_ns);
  Slice* Find(SliceNumber number);

  const Config config_;
  const Hooks hooks_;
  TraceLog* const trace_;
  arbiter::Arbiter arbiter_;
  bool open_ = false;
  absl::flat_hash_map<SliceNumber, std::unique_ptr<Slice>> slices_;
  absl::flat_hash_map<SessionId, std::unique_ptr<Member>> members_;
  std::vector<Slice*> holders_;  // in which |holding| is set
  std::vector<Slice*> to_measure_;
  int64_t sweep_ns_ = 0;  // when to look at everybody; 0: nobody has rung since
  std::vector<SliceNumber> drained_;
  uint32_t waiting_ = 0;
};

}  // namespace xpool::agent
