#include "base/process.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace xpool {
namespace {

TEST(ProcessTest, ReadsOwnStat) {
  auto stat = ReadProcessStat(getpid());
  ASSERT_TRUE(stat.ok()) << stat.status();
  EXPECT_EQ(stat->state, 'R');
  EXPECT_GT(stat->start_ticks, 0u);
  EXPECT_GE(ProcessCpuTimeNs(getpid()), 0);
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
}

}  // namespace
}  // namespace xpool
