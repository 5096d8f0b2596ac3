// A program of several threads on a remote slice whose connections fail again and again. Whatever happens to them,
// every call is executed once and in order, and every answer is right.
//
//   XPOOL_FAULT_SEED=n     this seed alone, as a failure names it
//   XPOOL_FAULT_SECONDS=n  one seed after the other for so long
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "backend/remote/cl_link.h"
#include "backend/remote/platform.h"
#include "base/clock.h"
#include "faulty_node.h"
#include "program.h"

namespace xpool::faults {
namespace {

constexpr uint64_t kSeeds = 4;
constexpr uint32_t kThreads = 3;
constexpr int kSteps = 120;
constexpr int64_t kHangsNs = 300 * kNsPerSec;

// Ends the process, with the seed, when a run does not end.
class Watchdog {
 public:
  explicit Watchdog(uint64_t seed) : thread_([this, seed] { Watch(seed); }) {}
  ~Watchdog() {
    done_ = true;
    thread_.join();
  }

 private:
  void Watch(uint64_t seed) {
    const int64_t start_ns = Clock::Monotonic()->NowNs();
    while (!done_) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      if (Clock::Monotonic()->NowNs() - start_ns < kHangsNs) continue;
      std::fprintf(stderr, "the run hangs; again with XPOOL_FAULT_SEED=%llu\n", static_cast<unsigned long long>(seed));
      std::abort();
    }
  }

  std::atomic<bool> done_{false};
  std::thread thread_;
};

std::optional<uint64_t> Setting(const char* name) {
  const char* const text = std::getenv(name);
  if (text == nullptr) return std::nullopt;
  return std::strtoull(text, nullptr, 10);
}

void RunThreads(const cl::DispatchTable& api, cl_device_id device, FaultyNode& node, uint64_t seed) {
  cl_int status = CL_SUCCESS;
  const cl_context context = api.clCreateContext(nullptr, 1, &device, nullptr, nullptr, &status);
  ASSERT_EQ(status, CL_SUCCESS);
  std::vector<std::unique_ptr<Program>> programs;
  for (uint32_t i = 1; i <= kThreads; ++i)
    programs.push_back(std::make_unique<Program>(api, context, device, i, seed * 1000 + i));
  std::vector<std::thread> threads;
  for (const auto& program : programs) threads.emplace_back([&program] { program->Run(kSteps); });
  for (std::thread& thread : threads) thread.join();
  for (uint32_t i = 1; i <= kThreads; ++i) {
    std::vector<uint32_t> wanted;
    for (uint32_t n = 1; n <= programs[i - 1]->fills(); ++n) wanted.push_back(n);
    EXPECT_EQ(node.TakeCalls(i), wanted) << "thread " << i;
  }
  programs.clear();
  api.clReleaseContext(context);
}

void RunSeed(uint64_t seed) {
  SCOPED_TRACE(testing::Message() << "again with XPOOL_FAULT_SEED=" << seed);
  const Watchdog watchdog(seed);
  auto* const node = new FaultyNode(seed);  // links are never destroyed, and dial it
  std::vector<std::unique_ptr<remote::ClLink>> links;
  absl::StatusOr<std::unique_ptr<remote::ClLink>> link = remote::ClLink::Open(node->Options());
  ASSERT_TRUE(link.ok()) << link.status();
  links.push_back(*std::move(link));
  const absl::StatusOr<remote::RemotePlatform*> platform = remote::RemotePlatform::Create(std::move(links));
  ASSERT_TRUE(platform.ok()) << platform.status();
  const cl_device_id device = remote::To<cl_device_id>((*platform)->devices().front());
  RunThreads(remote::RemotePlatform::Api(), device, *node, seed);
  EXPECT_TRUE((*platform)->link(0)->link().status().ok()) << (*platform)->link(0)->link().status();
  const FaultCounts& counts = node->counts();
  std::printf(
      "seed %llu: %llu connections, %llu refused, %llu frames, %llu held up, %llu twice, %llu cuts between and "
      "%llu within\n",
      static_cast<unsigned long long>(seed), static_cast<unsigned long long>(node->connections()),
      static_cast<unsigned long long>(node->refused()), static_cast<unsigned long long>(counts.frames),
      static_cast<unsigned long long>(counts.delayed), static_cast<unsigned long long>(counts.doubled),
      static_cast<unsigned long long>(counts.cut_between), static_cast<unsigned long long>(counts.cut_within));
  std::fflush(stdout);
  (*platform)->Leave();
  node->End();
}

TEST(RemoteFaultsTest, EveryCallIsExecutedOnceAndInOrderAndAnsweredRight) {
  if (const std::optional<uint64_t> seed = Setting("XPOOL_FAULT_SEED")) return RunSeed(*seed);
  const int64_t seconds = static_cast<int64_t>(Setting("XPOOL_FAULT_SECONDS").value_or(0));
  const int64_t until_ns = Clock::Monotonic()->NowNs() + seconds * kNsPerSec;
  for (uint64_t seed = 1; !HasFailure() && (seed <= kSeeds || Clock::Monotonic()->NowNs() < until_ns); ++seed)
    RunSeed(seed);
}

}  // namespace
}  // namespace xpool::faults
