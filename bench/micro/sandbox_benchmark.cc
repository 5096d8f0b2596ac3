// How long a worker takes to enter its sandbox, which is part of attaching to it, by the number of threads it has; and
// to prepare one, which it does while it waits.

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "base/status.h"
#include "sandbox/enter.h"
#include "sandbox/testing/child.h"

namespace xpool::sandbox {
namespace {

constexpr Identity kNobodys = {2999999, 2999999};

// Threads that wait, as a driver's do, until the process ends.
void StartIdleThreads(int64_t count) {
  static std::mutex mutex;
  static std::condition_variable never;
  for (int64_t i = 0; i < count; ++i) {
    std::thread([] {
      std::unique_lock<std::mutex> lock(mutex);
      never.wait(lock, [] { return false; });
    }).detach();
  }
}

std::string TimeEntering(int64_t threads) {
  StartIdleThreads(threads - 1);
  auto sandbox = Sandbox::Prepare(Profile::kPocl, Sockets::kUnix);
  if (!sandbox.ok()) return sandbox.status().ToString();
  Spec spec;
  if (geteuid() == 0) spec.identity = kNobodys;
  spec.paths = {{"/tmp", Access::kReadWrite}};
  const int64_t began_ns = MonotonicNowNs();
  const auto report = sandbox->Enter(spec);
  const int64_t ended_ns = MonotonicNowNs();
  return report.ok() ? absl::StrCat(ended_ns - began_ns) : report.status().ToString();
}

void BM_EnterSandbox(benchmark::State& state) {
  for (auto _ : state) {
    const Outcome outcome = RunInChild([&] { return TimeEntering(state.range(0)); });
    const double ns = std::strtod(outcome.said.c_str(), nullptr);
    if (ns <= 0) {
      state.SkipWithError(outcome.said.c_str());
      break;
    }
    state.SetIterationTime(ns / kNsPerSec);
  }
}
BENCHMARK(BM_EnterSandbox)
    ->ArgName("threads")
    ->Arg(1)
    ->Arg(10)
    ->Arg(50)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

void BM_PrepareSandbox(benchmark::State& state) {
  for (auto _ : state) {
    if (!Sandbox::Prepare(Profile::kPocl, Sockets::kUnix).ok()) state.SkipWithError("cannot prepare");
  }
}
BENCHMARK(BM_PrepareSandbox)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace xpool::sandbox
