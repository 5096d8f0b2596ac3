// What one decision of the arbiter costs, by the number of slices on the XPU.

#include <benchmark/benchmark.h>

#include "arbiter/arbiter.h"

namespace xpool::arbiter {
namespace {

// Everybody wants the XPU: each round is the end of a lease, its return, and the next grant.
void BM_LeaseRound(benchmark::State& state) {
  Arbiter arbiter{Options{}};
  const auto clients = static_cast<ClientId>(state.range(0));
  int64_t now_ns = kNsPerSec;
  for (ClientId c = 0; c < clients; ++c) {
    arbiter.Add(c, {Share::FromBasisPoints(static_cast<int64_t>(10'000 / clients))}, now_ns);
    arbiter.Want(c, now_ns);
  }
  ClientId holder = 0;
  for (auto _ : state) {
    for (const Action& action : arbiter.Decide(now_ns)) {
      if (action.kind == ActionKind::kGrant) holder = action.client;
      if (action.kind != ActionKind::kRevoke) continue;
      arbiter.Returned(holder, now_ns);
      arbiter.Want(holder, now_ns);
    }
    now_ns = arbiter.NextDeadline().value_or(now_ns + kNsPerMs);
  }
}
BENCHMARK(BM_LeaseRound)->Arg(2)->Arg(10)->Arg(100)->Arg(1000);

}  // namespace
}  // namespace xpool::arbiter
