// LeaseTable's slow side: holders that do not drain, and the measuring of occupancy.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/lease_table.h"
#include "agent/options.h"

namespace xpool::agent {

void LeaseTable::Tell(const char* kind, const Member& member, std::string message) const {
  hooks_.event({.kind = kind,
                .slice_id = SliceId(member.slice->number),
                .session_id = member.link->id,
                .xpu_id = config_.xpu_id,
                .message = absl::StrCat("process ", member.link->pid, " (session ", member.link->id, ", slice ",
                                        SliceId(member.slice->number), ") ", message)});
}

bool LeaseTable::OthersWait(const Slice& slice) const { return waiting_ > (slice.waiting ? 1u : 0u); }

void LeaseTable::CheckOverdue(Slice& slice, int64_t now_ns) {
  if (now_ns < slice.next_check_ns) return;
  slice.next_check_ns = now_ns + 2 * kStoppedCheckNs;
  for (Member* member : slice.members) {
    if (member->phase != Phase::kRevoked) continue;
    Ring(*member);
    if (now_ns - slice.revoked_at_ns > kNsPerSec) member->link->overdue.store(true, std::memory_order_relaxed);
  }
  if (config_.cpu_cores > 0) TakeFromStopped(slice, now_ns);
  if (slice.holding && now_ns - slice.revoked_at_ns >= config_.hang_limit_ns && OthersWait(slice)) {
    KillOverdue(slice, now_ns);
  }
}

// Where the XPU is this machine's CPU, nothing of a stopped process runs: its word is taken. When it goes on, what it
// had in flight (bounded by its lease) runs out, and for more it must ask.
void LeaseTable::TakeFromStopped(Slice& slice, int64_t now_ns) {
  bool any = false;
  for (Member* member : slice.members) {
    if (member->phase != Phase::kRevoked) continue;
    const char state = hooks_.process_state(member->link->pid);
    if (state != 'T' && state != 't') continue;
    member->link->page->lease.store(uint64_t{member->epoch} << 32, std::memory_order_seq_cst);
    member->phase = Phase::kNone;
    member->idle = false;
    any = true;
    if (!std::exchange(slice.stop_told, true)) Tell("lease-taken", *member, "is stopped; its lease was taken");
  }
  if (!any) return;
  Trace(slice, LeaseChange::kTake, now_ns);
  Fold(slice, now_ns);
}

void LeaseTable::KillOverdue(Slice& slice, int64_t now_ns) {
  if (std::exchange(slice.killed, true)) return;
  for (Member* member : slice.members) {
    if (member->phase != Phase::kRevoked) continue;
    const int64_t overrun_s = (now_ns - slice.revoked_at_ns) / kNsPerSec;
    const bool killed = hooks_.kill(*member->link);
    Tell("lease-overrun", *member,
         absl::StrCat("has not given ", config_.xpu_id, " back ", overrun_s,
                      " s after its lease ended, while others wait; ",
                      killed ? "it was killed (SIGKILL)"
                             : "the agent may not kill it: end it yourself, nobody else can run before"));
  }
}

// Worker threads bound to cores suit a program that has all of them. Two that run beside each other might be bound to
// the same core, with another one free, so they are let go; for a while longer than they do, since some mixes change
// between both with every lease.
void LeaseTable::ShareCores(int64_t now_ns) {
  if (config_.cpu_cores == 0) return;
  const auto running = std::count_if(holders_.begin(), holders_.end(), [](const Slice* s) { return !s->revoking; });
  for (Slice* slice : holders_) {
    if (running > 1) slice->together_ns = now_ns;
    const bool share = now_ns - slice->together_ns < kNsPerSec;
    for (Member* member : slice->members) {
      if (std::exchange(member->shares_cores, share) != share) hooks_.share_cores(member->link->pid, share);
    }
  }
}

int64_t LeaseTable::CpuDemandNs(const Slice& slice) const {
  int64_t sum_ns = 0;
  for (const Member* member : slice.members) {
    const int64_t demand_ns = hooks_.cpu_demand_ns(member->link->pid);
    if (demand_ns < 0) return -1;
    sum_ns += demand_ns;
  }
  return sum_ns;
}

void LeaseTable::MeasureFromNow(Slice& slice, int64_t now_ns) {
  if (!slice.occupancy.due(now_ns)) return;
  slice.measure_start = true;
  to_measure_.push_back(&slice);
}

void LeaseTable::Measure(int64_t now_ns) {
  for (Slice* slice : to_measure_) {
    const int64_t demand_ns = CpuDemandNs(*slice);
    if (std::exchange(slice->measure_end, false)) {
      slice->occupancy.End(now_ns, demand_ns, slice->idle_sum_ns, config_.cpu_cores);
    }
    const bool start = std::exchange(slice->measure_start, false);
    if (start && slice->holding && holders_.size() == 1) slice->occupancy.Start(now_ns, demand_ns);
  }
  to_measure_.clear();
}

}  // namespace xpool::agent
