#include "base/process.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>

#include "base/clock.h"

namespace xpool {
namespace {

TEST(ProcessTest, ReadsOwnStat) {
  auto stat = ReadProcessStat(getpid());
  ASSERT_TRUE(stat.ok()) << stat.status();
  EXPECT_EQ(stat->state, 'R');
  EXPECT_GT(stat->start_ticks, 0u);
  EXPECT_GE(ProcessCpuTimeNs(getpid()), 0);
}

TEST(ProcessTest, BootHasOneName) {
  EXPECT_GE(BootId().size(), 16u);
  EXPECT_EQ(BootId(), BootId());
}

TEST(ProcessTest, PidfdTellsDeath) {
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  auto pidfd = OpenPidfd(child);
  ASSERT_TRUE(pidfd.ok()) << pidfd.status();
  EXPECT_EQ(PidOfPidfd(pidfd->get()), child);
  EXPECT_FALSE(PidfdIsDead(pidfd->get()));
  kill(child, SIGKILL);
  pollfd entry{pidfd->get(), POLLIN, 0};
  EXPECT_EQ(poll(&entry, 1, 5000), 1);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(OpenPidfd(child).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ProcessCpuTimeNs(child), -1);
  EXPECT_EQ(ProcessCpuDemandNs(child), -1);
}

TEST(ProcessTest, SchedulingReachesEveryThreadOfAnotherProcess) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    setsid();
    std::thread([&] {
      const pid_t thread = gettid();
      [[maybe_unused]] const ssize_t sent = write(ready[1], &thread, sizeof(thread));
      pause();
    }).join();
  }
  pid_t thread = 0;
  ASSERT_EQ(read(ready[0], &thread, sizeof(thread)), static_cast<ssize_t>(sizeof(thread)));
  SetCpuScheduling(child, {.nice = 7, .slice_ns = kNsPerMs});
  EXPECT_EQ(getpriority(PRIO_PROCESS, static_cast<id_t>(child)), 7);
  EXPECT_EQ(getpriority(PRIO_PROCESS, static_cast<id_t>(thread)), 7);
  std::ifstream autogroup("/proc/" + std::to_string(child) + "/autogroup");
  std::string text;
  if (std::getline(autogroup, text)) {
    EXPECT_TRUE(text.ends_with("nice 7")) << text;
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(ready[0]);
  close(ready[1]);
}

// Two threads on one CPU: each runs half of the time and stands in the queue for the other half, so the two demand
// twice what they get. Sums of the same span are compared; how long it took does not matter.
TEST(ProcessTest, DemandIsRunTimePlusTimeInTheRunQueue) {
  if (access("/proc/self/schedstat", R_OK) != 0) GTEST_SKIP() << "this kernel keeps no schedstat";
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  int cpu = 0;
  while (!CPU_ISSET(cpu, &before)) ++cpu;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  const int64_t run_before_ns = ProcessCpuTimeNs(getpid()), demand_before_ns = ProcessCpuDemandNs(getpid());
  std::atomic<bool> stop{false};
  std::thread other([&] {
    while (!stop) {
    }
  });
  const auto run_ns = [&] { return ProcessCpuTimeNs(getpid()) - run_before_ns; };
  while (run_ns() < 100 * kNsPerMs) {
  }
  const int64_t demand_ns = ProcessCpuDemandNs(getpid()) - demand_before_ns;
  const int64_t used_ns = run_ns();
  stop = true;
  other.join();
  ASSERT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
  EXPECT_GT(demand_ns, used_ns + used_ns / 4);
}

}  // namespace
}  // namespace xpool
