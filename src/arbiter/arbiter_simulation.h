// A machine made of numbers, for the arbiter's property tests: one XPU, one agent that drives the real arbiter, and
// made-up clients that play the client's side of the lease protocol (slice/control_page.h) with kernels of known
// length. Virtual time, deterministic for a seed.
//
// Modelled: kernel lengths with jitter, queue depth, host gaps between a completion and the next enqueue, bursts of
// work and think time, the delay of a doorbell in both directions, admission by start time, draining after a revoke,
// and the slowing down of kernels that together need more than the whole XPU. Checked all along (a breach is reported
// in SimulationResult::violation): nothing is in flight without a lease, leases never overlap unless they may, a lower
// class has been told to stop, nobody waits while the XPU has nothing to do.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "arbiter/arbiter.h"

namespace xpool::arbiter {

struct SimulatedClient {
  Terms terms;
  int64_t kernel_ns = kNsPerMs;
  double jitter = 0.1;      // kernels last kernel_ns * (1 +- jitter)
  int depth = 8;            // commands the program keeps outstanding
  int64_t host_gap_ns = 0;  // from a completion to the enqueue that replaces it
  // Bursty programs: exponential amounts of kernel time, then exponential think time. 0: always busy.
  int64_t mean_burst_ns = 0;
  int64_t mean_think_ns = 0;
  int64_t start_ns = 0;
  double occupancy = 1;
};

struct SimulationSpec {
  std::vector<SimulatedClient> clients;
  Options options;
  int64_t warmup_ns = 100 * kNsPerMs;  // not counted
  int64_t window_ns = 10 * kNsPerSec;
  int64_t doorbell_ns = 20 * kNsPerUs;  // from ringing to being heard, either way
  uint64_t seed = 1;
};

struct ClientResult {
  Usage usage;          // in the window
  int64_t work_ns = 0;  // kernel time completed in the window
  uint64_t completions = 0;
  int64_t longest_latency_ns = 0;  // of a command, from enqueue to completion
  int64_t longest_wait_ns = 0;     // with ready work and no completion
};

struct SimulationResult {
  std::vector<ClientResult> clients;
  int64_t busy_ns = 0;  // the XPU had work
  uint64_t decisions = 0;
  std::string violation;  // the first broken invariant; empty: none

  double ChargedShare(size_t client) const;
  double WorkShare(size_t client) const;
};

SimulationResult Simulate(const SimulationSpec& spec);

}  // namespace xpool::arbiter
