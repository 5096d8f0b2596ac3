#include "slice/lease_gate.h"

#include <algorithm>
#include <utility>

namespace xpool {
namespace {

constexpr int64_t kRetryNs = kNsPerMs;  // from a refusal to the second try, with room for a preemption
constexpr int kMaxCasTries = 64;        // the agent changes the word a few times a quantum; more is scribbling

bool Exchange(ControlPage& page, LeaseWord from, LeaseWord to) {
  return page.lease.compare_exchange_strong(from.bits, to.bits, std::memory_order_seq_cst);
}

LeaseWord Load(const ControlPage& page) { return LeaseWord{page.lease.load(std::memory_order_seq_cst)}; }

}  // namespace

LeaseGate::LeaseGate(const Clock* clock, std::function<void()> ring_agent, std::function<void()> kick_watcher)
    : clock_(clock), ring_agent_(std::move(ring_agent)), kick_watcher_(std::move(kick_watcher)) {}

LeaseGate::Inflight LeaseGate::Inflight::Less(uint32_t commands_done, int64_t ns_done) const {
  if (commands_done >= commands()) return {};
  return Of(commands() - commands_done, std::max<int64_t>(0, ns() - std::max<int64_t>(0, ns_done)));
}

LeaseGate::Inflight LeaseGate::Subtract(uint32_t commands, int64_t ns) {
  uint64_t bits = inflight_.load(std::memory_order_relaxed);
  Inflight after;
  do {
    after = Inflight{bits}.Less(commands, ns);
  } while (!inflight_.compare_exchange_weak(bits, after.bits, std::memory_order_seq_cst));
  return after;
}

void LeaseGate::Carry(const Effects& effects) const {
  if (effects.ring_agent && ring_agent_) ring_agent_();
  if (effects.kick_watcher && kick_watcher_) kick_watcher_();
}

void LeaseGate::AttachPage(ControlPage* page) {
  Effects effects;
  {
    MutexLock lock(&mutex_);
    ControlPage* const old = page_.load(std::memory_order_relaxed);
    PublishGapLocked(*page);
    if (old != nullptr && old != page) {
      page->commands.store(old->commands.load(std::memory_order_relaxed), std::memory_order_relaxed);
      page->lease_waits.store(old->lease_waits.load(std::memory_order_relaxed), std::memory_order_relaxed);
    }
    page_.store(page, std::memory_order_seq_cst);
    const int64_t now_ns = clock_->NowNs();
    if (old != nullptr && old != page) {
      // Whoever still looks at the old page finds no lease there and comes to the mutex.
      const LeaseWord before{old->lease.exchange(0, std::memory_order_seq_cst)};
      const LeaseWord adopted = Load(*page);
      const bool drained_meanwhile = before.state() == LeaseState::kNone && adopted.epoch() == before.epoch();
      if (drained_meanwhile && adopted.state() != LeaseState::kNone)
        GiveBackLocked(*page, adopted, now_ns, waits_for_lease_, effects);
    }
    const bool asks = waits_for_lease_;
    waits_for_lease_ = false;  // it was the old agent that was told
    SettleLocked(*page, now_ns, asks, effects);
  }
  Carry(effects);
}

void LeaseGate::Detach() {
  MutexLock lock(&mutex_);
  ControlPage* const old = page_.exchange(nullptr, std::memory_order_seq_cst);
  if (old != nullptr) old->lease.store(Load(*old).Ended().bits, std::memory_order_seq_cst);
}

LeaseGate::Verdict LeaseGate::AdmitSlow(int64_t charge_ns) {
  Effects effects;
  Verdict verdict = Verdict::kWait;
  {
    MutexLock lock(&mutex_);
    if (ControlPage* page = page_.load(std::memory_order_seq_cst)) {
      verdict = AdmitLocked(*page, charge_ns, effects);
    } else {
      Subtract(1, charge_ns);
    }
  }
  Carry(effects);
  return verdict;
}

int64_t LeaseGate::BoundNs(const ControlPage& page, LeaseWord word, int64_t now_ns) {
  if (!word.tracked()) return QuantumNs(page);
  const int64_t until_ns = std::max<int64_t>(0, page.lease_until_ns.load(std::memory_order_relaxed));
  const int64_t left_ns = until_ns - now_ns;
  // However small the bound, one command may go as long as the lease lasts.
  return left_ns <= 0 ? 0 : std::clamp<int64_t>(page.inflight_bound_ns.load(std::memory_order_relaxed), 1, left_ns);
}

bool LeaseGate::IsWorthPumping(const ControlPage& page) const {
  const LeaseWord word = Load(page);
  if (word.state() == LeaseState::kIdle) return true;
  if (word.state() != LeaseState::kBusy) return false;  // the next grant rings
  const Inflight inflight{inflight_.load(std::memory_order_seq_cst)};
  const int64_t bound_ns = BoundNs(page, word, word.tracked() ? clock_->NowNs() : 0);
  // Not for the last bit of room: there is enough in flight to come back later, with several commands at once.
  return bound_ns > 0 && (inflight.commands() == 0 || inflight.ns() <= bound_ns / 2);
}

// The command is counted as in flight already.
LeaseGate::Verdict LeaseGate::AdmitLocked(ControlPage& page, int64_t charge_ns, Effects& effects) {
  const int64_t now_ns = clock_->NowNs();
  EndGapLocked(page, now_ns);
  const LeaseWord word = ResumeLocked(page);
  const Inflight before = Inflight{inflight_.load(std::memory_order_seq_cst)}.Less(1, charge_ns);
  const bool tracked = word.tracked();
  const int64_t bound_ns = BoundNs(page, word, now_ns);
  const bool holds = word.state() == LeaseState::kBusy && bound_ns > 0;

  if (holds && (before.commands() == 0 || before.ns() < bound_ns)) {
    waits_for_lease_ = false;
    if (page.wants.load(std::memory_order_relaxed) != 0) page.wants.store(0, std::memory_order_relaxed);
    const bool observe = tracked || NeedsTracking(before.ns(), before.ns() + charge_ns, bound_ns);
    return observe ? Verdict::kForwardTracked : Verdict::kForward;
  }
  Subtract(1, charge_ns);
  if (holds) {
    // A lone holder's in-flight commands may sit in queues that nobody observes: the watcher must look at them.
    effects.kick_watcher = !tracked && !waits_for_room_.exchange(true, std::memory_order_relaxed);
  } else {
    SettleLocked(page, now_ns, /*more_ready=*/true, effects);
  }
  return Verdict::kWait;
}

// IDLE -> BUSY, unless the agent has been faster.
LeaseWord LeaseGate::ResumeLocked(ControlPage& page) {
  LeaseWord word = Load(page);
  for (int i = 0; i < kMaxCasTries && word.state() == LeaseState::kIdle; ++i) {
    const LeaseWord busy = word.WithState(LeaseState::kBusy);
    if (Exchange(page, word, busy)) return busy;
    word = Load(page);
  }
  return word;
}

// Work has come after a time without: learns how long this client's host gaps are, whether or not the lease was kept.
void LeaseGate::EndGapLocked(ControlPage& page, int64_t now_ns) {
  if (idle_since_ns_ < 0) return;
  const int64_t gap_ns = std::clamp<int64_t>(now_ns - idle_since_ns_, 0, kNsPerSec);
  idle_since_ns_ = -1;
  gap_ns_ = gap_ns_ < 0 ? gap_ns : gap_ns_ + (gap_ns - gap_ns_) / 8;
  PublishGapLocked(page);
}

void LeaseGate::PublishGapLocked(ControlPage& page) {
  page.gap_ns.store(std::max<int64_t>(0, gap_ns_), std::memory_order_relaxed);
  page.rings_when_idle.store(gap_ns_ < 0 || gap_ns_ >= kShortGapNs ? 1 : 0, std::memory_order_relaxed);
}

// Asks for a lease. REQUIRES: the word is NONE.
void LeaseGate::WantLocked(ControlPage& page, Effects& effects) {
  if (!waits_for_lease_) {
    page.lease_waits.fetch_add(1, std::memory_order_relaxed);
    asked_ns_ = clock_->NowNs();
  }
  waits_for_lease_ = true;
  if (page.wants.exchange(1, std::memory_order_seq_cst) == 0) effects.ring_agent = true;
}

void LeaseGate::SettleLocked(ControlPage& page, int64_t now_ns, bool more_ready, Effects& effects) {
  for (int i = 0; i < kMaxCasTries; ++i) {
    const LeaseWord word = Load(page);
    if (word.state() == LeaseState::kNone) {
      if (more_ready) WantLocked(page, effects);
      return;
    }
    if (word.state() == LeaseState::kIdle || Inflight{inflight_.load(std::memory_order_seq_cst)}.commands() != 0)
      return;
    if (word.state() == LeaseState::kBusy) {
      if (!word.tracked()) return;
      if (now_ns < page.lease_until_ns.load(std::memory_order_relaxed)) {
        // Whoever was refused just now is about to try again, and this may well be the lease it asked for.
        const bool retry_comes = waits_for_lease_ && now_ns - asked_ns_ < kRetryNs;
        if (more_ready || retry_comes || GoIdleLocked(page, word, now_ns, effects)) return;
        continue;
      }
    }
    if (GiveBackLocked(page, word, now_ns, more_ready, effects)) return;
  }
}

bool LeaseGate::GoIdleLocked(ControlPage& page, LeaseWord word, int64_t now_ns, Effects& effects) {
  page.idle_since_ns.store(now_ns, std::memory_order_relaxed);
  if (!Exchange(page, word, word.WithState(LeaseState::kIdle))) return false;
  idle_since_ns_ = now_ns;
  if (gap_ns_ < 0 || gap_ns_ >= kShortGapNs) effects.ring_agent = true;
  return true;
}

bool LeaseGate::GiveBackLocked(ControlPage& page, LeaseWord word, int64_t now_ns, bool more_ready, Effects& effects) {
  if (!Exchange(page, word, word.Ended())) return false;
  effects.ring_agent = true;
  if (more_ready) {
    WantLocked(page, effects);
  } else if (idle_since_ns_ < 0) {
    idle_since_ns_ = now_ns;
  }
  return true;
}

bool LeaseGate::Complete(uint32_t commands, int64_t estimate_ns, bool more_ready) {
  const Inflight left = Subtract(commands, estimate_ns);
  if (waits_for_room_.load(std::memory_order_relaxed)) waits_for_room_.store(false, std::memory_order_relaxed);
  ControlPage* const page = page_.load(std::memory_order_acquire);
  if (page == nullptr) return more_ready;
  page->commands.fetch_add(commands, std::memory_order_relaxed);
  if (left.commands() == 0 && !IsAlone(Load(*page))) Settle(more_ready);
  return more_ready && IsWorthPumping(*page);
}

void LeaseGate::Settle(bool more_ready) {
  if (page_.load(std::memory_order_acquire) == nullptr) return;
  Effects effects;
  {
    MutexLock lock(&mutex_);
    ControlPage* const page = page_.load(std::memory_order_seq_cst);
    if (page != nullptr) SettleLocked(*page, clock_->NowNs(), more_ready, effects);
  }
  Carry(effects);
}

bool LeaseGate::MustTrack() const {
  const ControlPage* const page = page_.load(std::memory_order_acquire);
  if (page == nullptr || inflight_commands() == 0) return false;
  return !IsAlone(Load(*page)) || waits_for_room_.load(std::memory_order_relaxed);
}

LeaseWord LeaseGate::word() const {
  const ControlPage* const page = page_.load(std::memory_order_acquire);
  return page == nullptr ? LeaseWord{} : Load(*page);
}

}  // namespace xpool
