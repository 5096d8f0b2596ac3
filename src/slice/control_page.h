// The control page: one page of shared memory per session, by which the agent grants and takes leases and the shim says
// when it has run dry. It is an ABI between two processes that may be of different builds: fixed-width types, fixed
// offsets, a version.
//
// The agent creates it as a memfd sealed against shrinking and growing and passes it over the session socket; no other
// tenant maps it. What a client writes here is a hint that can hurt only itself: the agent keeps its own copy of every
// decision. Waking goes through two eventfds that come with the page ("doorbells"): one the client rings for the agent,
// one the agent (and the client's own completion callbacks) ring for the client's watcher thread.
//
// The lease word: | epoch (32) | unused (22) | flags (8) | state (2) |
//
//   from   to      who     when
//   NONE   BUSY    agent   grant; the epoch grows by one with every grant
//   BUSY   IDLE    client  tracked, and nothing is in flight and nothing ready waits
//   IDLE   BUSY    client  it has work again
//   IDLE   NONE    agent   takes an idle lease
//   BUSY   REVOKE  agent   the lease has ended while work is in flight
//   BUSY   NONE    client  gives back at the lease's end, with nothing in flight
//   REVOKE NONE    client  what was in flight has drained
// Flags belong to the agent and are kept by the client's transitions (except to NONE, which clears them).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace xpool {

enum class LeaseState : uint64_t { kNone = 0, kBusy = 1, kIdle = 2, kRevoke = 3 };

// Somebody else waits for the XPU, or the slice has a limit: the client must observe the completion of all it forwards,
// report IDLE, and stop forwarding at lease_until_ns. Without it the holder is alone: it bounds what is in flight and
// reports nothing.
inline constexpr uint64_t kLeaseTracked = 1u << 2;

struct LeaseWord {
  uint64_t bits = 0;

  constexpr LeaseState state() const { return static_cast<LeaseState>(bits & 3); }
  constexpr bool tracked() const { return (bits & kLeaseTracked) != 0; }
  constexpr uint32_t epoch() const { return static_cast<uint32_t>(bits >> 32); }
  constexpr LeaseWord WithState(LeaseState state) const {
    return {(bits & ~uint64_t{3}) | static_cast<uint64_t>(state)};
  }
  constexpr LeaseWord WithTracked() const { return {bits | kLeaseTracked}; }
  constexpr LeaseWord Ended() const { return {bits & ~uint64_t{0xffffffff}}; }  // NONE, same epoch, no flags
  constexpr LeaseWord NextGrant(bool tracked) const {
    return {(bits >> 32 << 32) + (uint64_t{1} << 32) + static_cast<uint64_t>(LeaseState::kBusy) +
            (tracked ? kLeaseTracked : 0)};
  }
};

inline constexpr uint32_t kControlPageMagic = 0x4c4f4f58;  // "XOOL"
inline constexpr uint32_t kControlPageVersion = 1;
inline constexpr size_t kControlPageBytes = 4096;

struct ControlPage {
  uint32_t magic;
  uint32_t version;
  uint64_t session_id;

  // Read and written by both, as in the table above.
  alignas(64) std::atomic<uint64_t> lease;

  // Written by the agent.
  alignas(64) std::atomic<int64_t> lease_until_ns;  // end of the current lease; meaningful when tracked
  std::atomic<int64_t> quantum_ns;                  // what a lone holder may have in flight
  std::atomic<int64_t>
      inflight_bound_ns;  // what a tracked holder may have in flight (small while a higher class is present)
  std::atomic<uint64_t> memory_limit_bytes;  // of the slice; changes with a resize
  std::atomic<uint32_t> memory_trim;         // grows when unused memory credit is asked back

  // Written by the client.
  alignas(64) std::atomic<uint32_t> wants;  // 1: ready work waits and there is no lease
  std::atomic<uint32_t> rings_when_idle;    // 0: gaps are expected to be short, the agent should look by itself
  std::atomic<int64_t> idle_since_ns;       // when the word last went to IDLE
  std::atomic<int64_t> gap_ns;              // EWMA of this client's own idle gaps while it held a lease
  std::atomic<uint64_t> commands;           // forwarded so far (for `xpool top`)
  std::atomic<uint64_t> lease_waits;        // times a command had to wait for a lease
  std::atomic<uint64_t> memory_used_bytes;  // what this process has allocated (for `xpool ps`)
};

static_assert(sizeof(ControlPage) <= kControlPageBytes);
static_assert(offsetof(ControlPage, lease) == 64 && offsetof(ControlPage, lease_until_ns) == 128 &&
              offsetof(ControlPage, wants) == 192);
static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<int64_t>::is_always_lock_free);

}  // namespace xpool
