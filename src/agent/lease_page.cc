// LeaseTable's dealings with a control page: reading what the client says, moving the lease word. A client may write
// anything there at any time; whatever it writes, the agent's copy stays right and only that client's own lease
// suffers.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "agent/lease_table.h"

namespace xpool::agent {
namespace {

LeaseWord Load(const ControlPage& page) { return LeaseWord{page.lease.load(std::memory_order_seq_cst)}; }

bool Exchange(ControlPage& page, LeaseWord from, LeaseWord to) {
  return page.lease.compare_exchange_strong(from.bits, to.bits, std::memory_order_seq_cst);
}

LeaseWord NoLease(uint32_t epoch) { return LeaseWord{uint64_t{epoch} << 32}; }

LeaseWord SetTracked(LeaseWord word, bool tracked) {
  return tracked ? word.WithTracked() : LeaseWord{word.bits & ~kLeaseTracked};
}

constexpr int kMaxTries = 8;  // the client moves a word it holds at most twice in between

}  // namespace

void LeaseTable::Observe(Member& member, int64_t now_ns) {
  ControlPage& page = *member.link->page.get();
  const LeaseWord word = Load(page);
  if (word.epoch() != member.epoch || (member.phase == Phase::kNone && word.state() != LeaseState::kNone)) {
    Scribbled(member);
  } else if (member.phase != Phase::kNone) {
    ObserveHolder(member, word, now_ns);
  }
  if (member.phase == Phase::kNone) member.wants = page.wants.load(std::memory_order_seq_cst) != 0;
}

void LeaseTable::ObserveHolder(Member& member, LeaseWord word, int64_t now_ns) {
  const bool revoked = member.phase == Phase::kRevoked;
  switch (word.state()) {
    case LeaseState::kNone:
      member.phase = Phase::kNone;
      member.idle = false;
      return;
    case LeaseState::kIdle:
      if (revoked && TakeIdle(member)) return;
      if (!member.idle) {
        const int64_t since_ns = member.link->page->idle_since_ns.load(std::memory_order_relaxed);
        member.idle_since_ns = std::clamp<int64_t>(since_ns, now_ns - kNsPerSec, now_ns);
      }
      member.idle = true;
      return;
    case LeaseState::kBusy:
      member.idle = false;
      // A reattaching client may have put its old word over ours.
      if (revoked)
        Revoke(member);
      else if (word.tracked() != member.slice->tracked)
        Update(member);
      return;
    case LeaseState::kRevoke:
      member.idle = false;
      return;
  }
}

// The word is not one that the client may have written. It counts as given back; the client finds NONE and must ask.
void LeaseTable::Scribbled(Member& member) {
  member.link->page->lease.store(NoLease(member.epoch).bits, std::memory_order_seq_cst);
  member.phase = Phase::kNone;
  member.idle = false;
  if (member.scribbled) return;
  member.scribbled = true;
  Tell("control-page-scribbled", member, "wrote nonsense over its control page; it loses the lease it may have held");
}

void LeaseTable::Grant(Member& member) {
  ControlPage& page = *member.link->page.get();
  const Slice& slice = *member.slice;
  page.wants.store(0, std::memory_order_relaxed);
  page.lease_until_ns.store(slice.until_ns, std::memory_order_relaxed);
  page.inflight_bound_ns.store(slice.bound_ns, std::memory_order_relaxed);
  const LeaseWord word = NoLease(member.epoch).NextGrant(slice.tracked);
  page.lease.store(word.bits, std::memory_order_seq_cst);
  Ring(member);
  member.epoch = word.epoch();
  member.phase = Phase::kHeld;
  member.idle = member.wants = false;
}

// The slice's terms have changed while this session holds.
void LeaseTable::Update(Member& member) {
  ControlPage& page = *member.link->page.get();
  page.lease_until_ns.store(member.slice->until_ns, std::memory_order_relaxed);
  page.inflight_bound_ns.store(member.slice->bound_ns, std::memory_order_relaxed);
  for (int i = 0; i < kMaxTries; ++i) {
    const LeaseWord word = Load(page);
    if (word.state() == LeaseState::kNone || word.epoch() != member.epoch) break;
    if (Exchange(page, word, SetTracked(word, member.slice->tracked))) break;
  }
  Ring(member);
}

void LeaseTable::Revoke(Member& member) {
  ControlPage& page = *member.link->page.get();
  member.phase = Phase::kRevoked;
  for (int i = 0; i < kMaxTries; ++i) {
    const LeaseWord word = Load(page);
    if (word.epoch() != member.epoch || word.state() == LeaseState::kRevoke) break;
    if (word.state() == LeaseState::kNone || (word.state() == LeaseState::kIdle && TakeIdle(member))) {
      member.phase = Phase::kNone;
      member.idle = false;
      member.wants = page.wants.load(std::memory_order_seq_cst) != 0;
      return;
    }
    // Tracked too: a lone holder's commands must be found out about before they can drain. One that is tracked finds
    // the new word at its last completion, and is not woken for it (CheckOverdue() rings, should it not).
    if (word.state() == LeaseState::kBusy && Exchange(page, word, word.WithTracked().WithState(LeaseState::kRevoke))) {
      if (word.tracked()) return;
      break;
    }
  }
  Ring(member);
}

// IDLE -> NONE; false when the client was faster.
bool LeaseTable::TakeIdle(Member& member) {
  ControlPage& page = *member.link->page.get();
  const LeaseWord word = Load(page);
  if (word.epoch() != member.epoch) return false;
  if (word.state() != LeaseState::kNone && (word.state() != LeaseState::kIdle || !Exchange(page, word, word.Ended()))) {
    member.idle = false;
    return false;
  }
  member.phase = Phase::kNone;
  member.idle = false;
  member.wants = page.wants.load(std::memory_order_seq_cst) != 0;
  return true;
}

}  // namespace xpool::agent
