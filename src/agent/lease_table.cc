#include "agent/lease_table.h"

#include <algorithm>
#include <utility>

#include "agent/options.h"

namespace xpool::agent {
namespace {

constexpr int64_t kSweepNs = kNsPerSec;
constexpr int kMaxRounds = 64;  // of decide and act in one Settle(); a take may fail and be tried again

}  // namespace

LeaseTable::LeaseTable(Config config, Hooks hooks, TraceLog* trace)
    : config_(std::move(config)), hooks_(std::move(hooks)), trace_(trace), arbiter_(config_.arbiter) {}

LeaseTable::~LeaseTable() = default;

LeaseTable::Slice* LeaseTable::Find(SliceNumber number) {
  const auto it = slices_.find(number);
  return it == slices_.end() ? nullptr : it->second.get();
}

void LeaseTable::Trace(const Slice& slice, LeaseChange what, int64_t now_ns, int64_t until_ns) {
  trace_->Add({now_ns, until_ns, slice.number, what});
}

void LeaseTable::AddSlice(SliceNumber number, const arbiter::Terms& terms, int64_t now_ns) {
  auto& slice = slices_[number];
  if (slice != nullptr) return;
  slice = std::make_unique<Slice>();
  slice->number = number;
  arbiter_.Add(number, terms, now_ns);
}

void LeaseTable::SetTerms(SliceNumber number, const arbiter::Terms& terms, int64_t now_ns) {
  arbiter_.SetTerms(number, terms, now_ns);
}

void LeaseTable::RemoveSlice(SliceNumber number, int64_t now_ns) {
  Slice* slice = Find(number);
  if (slice == nullptr || slice->removed) return;
  slice->removed = true;
  if (slice->waiting) --waiting_;
  slice->waiting = false;
  if (slice->holding) {
    ActRevoke(*slice, now_ns);
  } else {
    drained_.push_back(number);
  }
  EraseIfGone(*slice, now_ns);
}

void LeaseTable::EraseIfGone(Slice& slice, int64_t now_ns) {
  if (!slice.removed || slice.holding || !slice.members.empty()) return;
  std::erase(to_measure_, &slice);
  arbiter_.Remove(slice.number, now_ns);
  slices_.erase(slice.number);
}

void LeaseTable::AddSession(std::shared_ptr<SessionLink> link, LeaseWord adopted, int64_t now_ns) {
  Slice* slice = Find(link->slice);
  if (slice == nullptr || slice->removed) return;
  auto& member = members_[link->id];
  if (member != nullptr) return;
  member = std::make_unique<Member>();
  member->link = std::move(link);
  member->slice = slice;
  member->epoch = adopted.epoch();
  slice->members.push_back(member.get());
  if (adopted.state() != LeaseState::kNone) {
    member->phase = adopted.state() == LeaseState::kRevoke ? Phase::kRevoked : Phase::kHeld;
    if (!slice->holding) {
      arbiter_.AdoptHolder(slice->number, now_ns);
      slice->holding = true;
      slice->tracked = adopted.tracked();
      slice->until_ns = now_ns + config_.arbiter.quantum_ns;
      slice->bound_ns = config_.arbiter.quantum_ns;
      holders_.push_back(slice);
      Trace(*slice, LeaseChange::kGrant, now_ns, slice->until_ns);
    }
  }
  OnDoorbell(member->link->id, now_ns);
}

void LeaseTable::RemoveSession(SessionId session, int64_t now_ns) {
  const auto it = members_.find(session);
  if (it == members_.end()) return;
  Slice& slice = *it->second->slice;
  if (it->second->shares_cores) hooks_.share_cores(it->second->link->pid, false);
  std::erase(slice.members, it->second.get());
  members_.erase(it);
  slice.occupancy.Spoil();
  Trace(slice, LeaseChange::kDied, now_ns);
  Fold(slice, now_ns);
  EraseIfGone(slice, now_ns);
}

void LeaseTable::Open(int64_t now_ns) {
  open_ = true;
  for (auto& [number, slice] : slices_) Fold(*slice, now_ns);
}

void LeaseTable::OnDoorbell(SessionId session, int64_t now_ns) {
  const auto it = members_.find(session);
  if (it == members_.end()) return;
  if (sweep_ns_ == 0) sweep_ns_ = now_ns + kSweepNs;
  Observe(*it->second, now_ns);
  Fold(*it->second->slice, now_ns);
}

// Looks at everybody, some time after anybody has rung: a session whose ring was missed would wait for ever.
void LeaseTable::Sweep(int64_t now_ns) {
  sweep_ns_ = 0;
  for (const auto& [number, slice] : slices_) {
    ObserveSlice(*slice, now_ns);
    Fold(*slice, now_ns);
  }
}

void LeaseTable::ObserveSlice(Slice& slice, int64_t now_ns) {
  for (Member* member : slice.members) Observe(*member, now_ns);
}

// Tells the arbiter what the sessions of |slice| amount to.
void LeaseTable::Fold(Slice& slice, int64_t now_ns) {
  if (slice.holding) FoldHolder(slice, now_ns);
  if (slice.holding || slice.waiting || slice.removed || !open_) return;
  const bool wants = std::any_of(slice.members.begin(), slice.members.end(), [](const Member* m) { return m->wants; });
  if (!wants) return;
  slice.waiting = true;
  ++waiting_;
  if (config_.cpu_cores > 0) arbiter_.SetOccupancy(slice.number, slice.occupancy.Value(now_ns));
  arbiter_.Want(slice.number, now_ns);
  Trace(slice, LeaseChange::kWant, now_ns);
}

void LeaseTable::FoldHolder(Slice& slice, int64_t now_ns) {
  bool any = false, all_idle = true;
  int64_t since_ns = 0;
  for (const Member* member : slice.members) {
    if (member->phase == Phase::kNone) continue;
    any = true;
    all_idle = all_idle && member->idle;
    since_ns = std::max(since_ns, member->idle_since_ns);
  }
  if (!any) {
    EndLease(slice, now_ns);
  } else if (slice.revoking) {
    return;
  } else if (MayGrant(slice, now_ns) && GrantWanting(slice)) {
    SetBusy(slice, now_ns);
  } else if (all_idle) {
    SetIdle(slice, since_ns, now_ns);
  } else {
    SetBusy(slice, now_ns);
  }
}

void LeaseTable::SetIdle(Slice& slice, int64_t since_ns, int64_t now_ns) {
  if (slice.idle) return;
  slice.idle = true;
  slice.idle_from_ns = since_ns;
  int64_t gap_ns = 0;
  for (const Member* member : slice.members) {
    if (member->phase != Phase::kNone) {
      gap_ns = std::max(gap_ns, member->link->page->gap_ns.load(std::memory_order_relaxed));
    }
  }
  arbiter_.SetGap(slice.number, std::clamp<int64_t>(gap_ns, 0, kNsPerSec));
  arbiter_.Idle(slice.number, since_ns, now_ns);
  Trace(slice, LeaseChange::kIdle, now_ns);
}

void LeaseTable::SetBusy(Slice& slice, int64_t now_ns) {
  if (!slice.idle) return;
  slice.idle = false;
  slice.idle_sum_ns += now_ns - slice.idle_from_ns;
  arbiter_.Busy(slice.number, now_ns);
  Trace(slice, LeaseChange::kBusy, now_ns);
}

void LeaseTable::EndLease(Slice& slice, int64_t now_ns) {
  if (slice.idle) slice.idle_sum_ns += now_ns - slice.idle_from_ns;
  slice.holding = slice.idle = slice.revoking = false;
  std::erase(holders_, &slice);
  arbiter_.Returned(slice.number, now_ns);
  Trace(slice, LeaseChange::kReturn, now_ns);
  if (slice.removed) {
    drained_.push_back(slice.number);
  } else if (slice.occupancy.running()) {
    slice.measure_end = true;
    to_measure_.push_back(&slice);
  }
}

bool LeaseTable::MayGrant(const Slice& slice, int64_t now_ns) const {
  return open_ && !slice.removed && !slice.revoking && (!slice.tracked || now_ns < slice.until_ns);
}

// Gives a lease with the slice's present terms to each of its sessions that wants one; false when none does.
bool LeaseTable::GrantWanting(Slice& slice) {
  bool any = false;
  for (Member* member : slice.members) {
    if (member->phase != Phase::kNone || !member->wants) continue;
    Grant(*member);
    any = true;
  }
  return any;
}

void LeaseTable::Settle(int64_t now_ns) {
  if (sweep_ns_ != 0 && now_ns >= sweep_ns_) Sweep(now_ns);
  for (int round = 0; round < kMaxRounds; ++round) {
    // Ending leases takes slices out of |holders_|: by index, backwards.
    for (size_t i = holders_.size(); i-- > 0;) {
      if (i >= holders_.size()) continue;
      Slice& slice = *holders_[i];
      ObserveSlice(slice, now_ns);
      Fold(slice, now_ns);
      if (slice.holding && slice.revoking) CheckOverdue(slice, now_ns);
    }
    RefreshOccupancies(now_ns);
    const std::vector<arbiter::Action> actions = arbiter_.Decide(now_ns);
    if (actions.empty()) break;
    for (const arbiter::Action& action : actions) Act(action, now_ns);
  }
  // From here on nobody waits for us.
  ShareCores(now_ns);
  Measure(now_ns);
  for (SliceNumber number : std::exchange(drained_, {})) hooks_.drained(number);
}

// Who runs beside another may have changed its ways, and is not measured there: when its estimate has grown old, the
// arbiter ends all leases but one, and each is measured alone again.
void LeaseTable::RefreshOccupancies(int64_t now_ns) {
  if (config_.cpu_cores == 0 || holders_.size() < 2) return;
  for (const Slice* slice : holders_) arbiter_.SetOccupancy(slice->number, slice->occupancy.Value(now_ns));
}

void LeaseTable::Act(const arbiter::Action& action, int64_t now_ns) {
  Slice* slice = Find(action.client);
  if (slice == nullptr) return;
  switch (action.kind) {
    case arbiter::ActionKind::kGrant:
      return ActGrant(*slice, action, now_ns);
    case arbiter::ActionKind::kUpdate:
      return ActUpdate(*slice, action, now_ns);
    case arbiter::ActionKind::kRevoke:
      return ActRevoke(*slice, now_ns);
    case arbiter::ActionKind::kTake:
      return ActTake(*slice, now_ns);
  }
}

void LeaseTable::ActGrant(Slice& slice, const arbiter::Action& action, int64_t now_ns) {
  if (slice.waiting) --waiting_;
  slice.waiting = false;
  slice.tracked = action.tracked;
  slice.until_ns = action.until_ns;
  slice.bound_ns = action.inflight_bound_ns;
  if (slice.removed || !GrantWanting(slice)) {
    arbiter_.Returned(slice.number, now_ns);  // whoever wanted it has died meanwhile
    return;
  }
  slice.holding = true;
  slice.killed = slice.stop_told = false;
  slice.idle_sum_ns = 0;
  holders_.push_back(&slice);
  Trace(slice, LeaseChange::kGrant, now_ns, action.until_ns);
  if (config_.cpu_cores == 0) return;
  if (holders_.size() > 1) {
    for (Slice* holder : holders_) holder->occupancy.Spoil();
  } else if (slice.tracked) {
    MeasureFromNow(slice, now_ns);
  }
}

void LeaseTable::ActUpdate(Slice& slice, const arbiter::Action& action, int64_t now_ns) {
  if (!slice.holding) return;
  const bool newly_tracked = action.tracked && !slice.tracked;
  slice.tracked = action.tracked;
  slice.until_ns = action.until_ns;
  slice.bound_ns = action.inflight_bound_ns;
  for (Member* member : slice.members) {
    if (member->phase == Phase::kHeld) Update(*member);
  }
  if (newly_tracked && config_.cpu_cores > 0 && holders_.size() == 1) {
    slice.idle_sum_ns = 0;
    MeasureFromNow(slice, now_ns);
  }
  if (MayGrant(slice, now_ns) && GrantWanting(slice)) SetBusy(slice, now_ns);
}

void LeaseTable::ActRevoke(Slice& slice, int64_t now_ns) {
  if (!slice.holding) return;
  slice.revoking = true;
  slice.revoked_at_ns = now_ns;
  slice.next_check_ns = now_ns + kStoppedCheckNs;
  Trace(slice, LeaseChange::kRevoke, now_ns);
  for (Member* member : slice.members) {
    if (member->phase == Phase::kHeld) Revoke(*member);
  }
  Fold(slice, now_ns);
}

void LeaseTable::ActTake(Slice& slice, int64_t now_ns) {
  if (!slice.holding) return;
  bool all = true;
  for (Member* member : slice.members) {
    if (member->phase != Phase::kNone && !TakeIdle(*member)) all = false;
  }
  if (all) {
    Trace(slice, LeaseChange::kTake, now_ns);
    Fold(slice, now_ns);
    return;
  }
  slice.idle = true;  // the arbiter's state; a client was faster
  SetBusy(slice, now_ns);
}

std::optional<int64_t> LeaseTable::NextWakeNs(int64_t now_ns) const {
  std::optional<int64_t> wake_ns = arbiter_.NextDeadline();
  const auto consider = [&](int64_t at_ns) { wake_ns = wake_ns ? std::min(*wake_ns, at_ns) : at_ns; };
  if (sweep_ns_ != 0) consider(sweep_ns_);
  const auto running = std::count_if(holders_.begin(), holders_.end(), [](const Slice* s) { return !s->idle; });
  for (const Slice* slice : holders_) {
    const int64_t fresh_until_ns = slice->occupancy.fresh_until_ns();
    if (config_.cpu_cores > 0 && running > 1 && fresh_until_ns > now_ns) consider(fresh_until_ns);
    if (slice->revoking) {
      consider(slice->next_check_ns);
      continue;
    }
    if (waiting_ == 0 || !slice->tracked) continue;
    // A client whose gaps are short does not ring when it goes idle: look by ourselves while somebody waits.
    const bool silent = std::any_of(slice->members.begin(), slice->members.end(), [](const Member* m) {
      return m->phase == Phase::kHeld && m->link->page->rings_when_idle.load(std::memory_order_relaxed) == 0;
    });
    if (silent) consider(now_ns + config_.arbiter.quantum_ns / 8);
  }
  return wake_ns;
}

std::vector<SliceLeaseView> LeaseTable::View(int64_t now_ns) const {
  std::vector<SliceLeaseView> views;
  views.reserve(slices_.size());
  for (const auto& [number, slice] : slices_) {
    views.push_back(
        {number, arbiter_.UsageOf(number, now_ns), slice->occupancy.Value(now_ns), slice->holding, slice->waiting});
  }
  return views;
}

}  // namespace xpool::agent
