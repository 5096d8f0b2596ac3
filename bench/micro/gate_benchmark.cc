// What the lease gate adds to a launch: alone (untracked lease), and beside others (tracked).

#include <benchmark/benchmark.h>

#include <memory>

#include "base/clock.h"
#include "slice/control_page.h"
#include "slice/lease_gate.h"

namespace xpool {
namespace {

class Held {
 public:
  explicit Held(bool tracked) : gate_(Clock::Monotonic(), [] {}) {
    page_->quantum_ns = kNsPerSec;
    page_->inflight_bound_ns = kNsPerSec;
    page_->lease_until_ns = MonotonicNowNs() + 3600 * kNsPerSec;
    page_->lease = LeaseWord{}.NextGrant(tracked).bits;
    gate_.AttachPage(page_.get());
  }
  LeaseGate& gate() { return gate_; }

 private:
  std::unique_ptr<ControlPage> page_ = std::make_unique<ControlPage>();
  LeaseGate gate_;
};

void BM_Admit(benchmark::State& state, bool tracked) {
  Held held(tracked);
  for (auto _ : state) {
    benchmark::DoNotOptimize(held.gate().Admit(1000));
    held.gate().Complete(1, 1000, true);
  }
}
BENCHMARK_CAPTURE(BM_Admit, alone, false);
BENCHMARK_CAPTURE(BM_Admit, tracked, true);

}  // namespace
}  // namespace xpool
