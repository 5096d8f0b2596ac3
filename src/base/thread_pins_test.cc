#include "base/thread_pins.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

namespace xpool {
namespace {

int CpusOf(pid_t thread) {
  cpu_set_t cpus;
  return sched_getaffinity(thread, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : -1;
}

// Runs in a child started by exec, whose environment /proc shows: binds a second thread to one CPU and tells its id.
[[noreturn]] void BindOneAndWait() {
  std::thread([] {
    cpu_set_t cpus;
    sched_getaffinity(0, sizeof(cpus), &cpus);
    int first = 0;
    while (!CPU_ISSET(first, &cpus)) ++first;
    CPU_ZERO(&cpus);
    CPU_SET(first, &cpus);
    sched_setaffinity(0, sizeof(cpus), &cpus);
    const pid_t thread = gettid();
    [[maybe_unused]] const ssize_t sent = write(STDOUT_FILENO, &thread, sizeof(thread));
    pause();
  }).join();
  _exit(0);
}

class ThreadPinsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (CpusOf(0) < 2) GTEST_SKIP() << "one CPU only";
  }
  void TearDown() override {
    if (child_ <= 0) return;
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }

  // The id of the child's bound thread.
  pid_t Start(const char* affinity) {
    int out[2];
    EXPECT_EQ(pipe(out), 0);
    child_ = fork();
    if (child_ == 0) {
      dup2(out[1], STDOUT_FILENO);
      setenv("POCL_AFFINITY", affinity, 1);
      setenv("XPOOL_TEST_BIND", "1", 1);
      execl("/proc/self/exe", "bind_one", nullptr);
      _exit(1);
    }
    close(out[1]);
    pid_t thread = 0;
    EXPECT_EQ(read(out[0], &thread, sizeof(thread)), static_cast<ssize_t>(sizeof(thread)));
    close(out[0]);
    return thread;
  }

  pid_t child_ = 0;
};

// Before main(): the child is this very program.
const bool bound = [] {
  if (getenv("XPOOL_TEST_BIND") != nullptr) BindOneAndWait();
  return false;
}();

TEST_F(ThreadPinsTest, BoundThreadsAreLetGoAndBoundAgain) {
  const pid_t thread = Start("1");
  ASSERT_EQ(CpusOf(thread), 1);
  ThreadPins pins;
  pins.Release(child_);
  EXPECT_EQ(CpusOf(thread), CpusOf(child_));
  pins.Restore(child_);
  EXPECT_EQ(CpusOf(thread), 1);
}

TEST_F(ThreadPinsTest, ProgramsOwnBindingsAreLeftAlone) {
  const pid_t thread = Start("0");
  ThreadPins pins;
  pins.Release(child_);
  EXPECT_EQ(CpusOf(thread), 1);
}

}  // namespace
}  // namespace xpool
