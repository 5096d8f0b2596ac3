#include "sandbox/every_thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/status.h"
#include "sandbox/testing/child.h"

namespace xpool::sandbox {
namespace {

using ::testing::HasSubstr;

std::string DescribeNumber(int result) { return absl::StrCat("result ", result); }

// Of work that is done in every thread: the thread sanitizer's own can run no code that is instrumented.
#define XPOOL_IN_EVERY_THREAD __attribute__((no_sanitize("thread")))

// Something each thread has of its own, and that a thread inherits.
XPOOL_IN_EVERY_THREAD int SetTimerSlack(const void* value) {
  return static_cast<int>(syscall(SYS_prctl, PR_SET_TIMERSLACK, *static_cast<const unsigned long*>(value), 0, 0, 0));
}
constexpr unsigned long kSlackNs = 12345;

XPOOL_IN_EVERY_THREAD int Fail(const void*) { return 7; }

absl::StatusOr<std::vector<pid_t>> SetEverywhere(int64_t patience_ns = 5 * kNsPerSec) {
  ASSIGN_OR_RETURN(ThreadList list, ThreadList::Open());
  return RunInOtherThreads(list, SetTimerSlack, &kSlackNs, MonotonicNowNs() + patience_ns, DescribeNumber);
}

// A thread that waits, then says what its timer slack is.
class Waiter {
 public:
  explicit Waiter(std::function<void()> first = [] {})
      : thread_([this, first = std::move(first)] {
          first();
          ready_.set_value();
          go_.get_future().wait();
          slack_ns_ = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
        }) {
    ready_.get_future().wait();
  }
  int SlackNs() {
    go_.set_value();
    thread_.join();
    return slack_ns_;
  }

 private:
  std::promise<void> ready_, go_;
  int slack_ns_ = 0;
  std::thread thread_;
};

TEST(EveryThreadTest, RunsInEachOtherThreadAndNotInThisOne) {
  const int own_slack_ns = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
  Waiter one, two;
  const auto reached = SetEverywhere();
  ASSERT_TRUE(reached.ok()) << reached.status();
  EXPECT_GE(reached->size(), 2u);
  EXPECT_EQ(one.SlackNs(), static_cast<int>(kSlackNs));
  EXPECT_EQ(two.SlackNs(), static_cast<int>(kSlackNs));
  EXPECT_EQ(prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0), own_slack_ns);
}

TEST(EveryThreadTest, ReachesThreadsThatBlockEverySignal) {
  Waiter blocked([] {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
  });
  const auto reached = SetEverywhere();
  ASSERT_TRUE(reached.ok()) << reached.status();
  EXPECT_EQ(blocked.SlackNs(), static_cast<int>(kSlackNs));
}

TEST(EveryThreadTest, ReachesBusyThreads) {
  std::atomic<bool> stop{false};
  std::promise<void> ready;
  int slack_ns = 0;
  std::thread busy([&] {
    ready.set_value();
    while (!stop) continue;
    slack_ns = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
  });
  ready.get_future().wait();
  EXPECT_TRUE(SetEverywhere().ok());
  stop = true;
  busy.join();
  EXPECT_EQ(slack_ns, static_cast<int>(kSlackNs));
}

// Each new thread is started by one that ends soon after: the hardest to catch.
TEST(EveryThreadTest, ReachesThreadsThatAreStartedMeanwhile) {
  for (int round = 0; round < 20; ++round) {
    struct Chain {
      std::atomic<bool> stop{false};
      std::promise<int> last_slack_ns;
    };
    const auto chain = std::make_shared<Chain>();
    static const auto next = [](const auto& self, const std::shared_ptr<Chain>& shared) -> void {
      if (shared->stop) return shared->last_slack_ns.set_value(prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
      std::thread([self, shared] { self(self, shared); }).detach();
    };
    next(next, chain);
    const auto reached = SetEverywhere();
    chain->stop = true;
    EXPECT_EQ(chain->last_slack_ns.get_future().get(), static_cast<int>(kSlackNs)) << reached.status();
    ASSERT_TRUE(reached.ok()) << reached.status();
  }
}

TEST(EveryThreadTest, FailureInAThreadIsNamed) {
  Waiter waiter;
  auto list = ThreadList::Open();
  ASSERT_TRUE(list.ok());
  const auto reached = RunInOtherThreads(*list, Fail, nullptr, MonotonicNowNs() + kNsPerSec, DescribeNumber);
  EXPECT_EQ(reached.status().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(reached.status().message()), HasSubstr("result 7"));
  waiter.SlackNs();
}

TEST(EveryThreadTest, ThreadThatDoesNotAnswerIsNamedInTime) {
  // In a child: the signal stays pending in the thread.
  const Outcome outcome = RunInChild([] {
    new Waiter([] {  // never joined: the child ends with it
      const uint64_t all = ~uint64_t{0};
      syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, nullptr, sizeof(all));  // not through glibc, which would spare one
    });
    const auto reached = SetEverywhere(100 * kNsPerMs);
    return std::string(reached.status().message());
  });
  EXPECT_THAT(outcome.said, HasSubstr("does not answer"));
}

TEST(EveryThreadTest, LibcsOwnUseOfTheSignalStillWorks) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can change its user";
  const Outcome outcome = RunInChild([]() -> std::string {
    uid_t seen = 0;
    std::promise<void> ready, go;
    std::thread other([&] {
      ready.set_value();
      go.get_future().wait();
      seen = static_cast<uid_t>(syscall(SYS_getuid));
    });
    ready.get_future().wait();
    if (!SetEverywhere().ok()) return "not reached";
    if (setuid(2999998) != 0) return "no setuid";
    go.set_value();
    other.join();
    return absl::StrCat(seen);
  });
  EXPECT_EQ(outcome.said, "2999998");
}

}  // namespace
}  // namespace xpool::sandbox
