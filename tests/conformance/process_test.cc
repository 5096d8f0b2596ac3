// Processes: fork with and without exec, exit with work queued. The parts that need a fresh process run this binary
// again with --child=NAME (main.cc); a child that hangs is ended by its own alarm and so fails the test.
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "cl_test.h"

namespace xpool::conformance {
namespace {

class ProcessTest : public ClTest {
 protected:
  // The exit status of this binary run as --child=|name|; 128 + signal when it was killed.
  static int RunChild(const char* name) {
    std::string argument = std::string("--child=") + name;
    pid_t pid = fork();
    if (pid == 0) {
      execl("/proc/self/exe", "conformance", argument.c_str(), nullptr);
      _exit(125);
    }
    return Wait(pid);
  }
  static int Wait(pid_t pid) {
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
};

TEST_F(ProcessTest, ExecutedChildComputesWhileTheParentHasWork) {
  Owned<cl_mem> buffer = NewInts({0});
  Owned<cl_event> gate = NewUserEvent();
  cl_event wait = gate;
  cl_int one = 1;
  ASSERT_CL(clEnqueueFillBuffer(queue(), buffer, &one, 4, 0, 4, 1, &wait, nullptr));
  EXPECT_EQ(0, RunChild("compute"));
  ASSERT_CL(clSetUserEventStatus(gate, CL_COMPLETE));
  EXPECT_EQ(1, ReadInts(buffer, 1)[0]);
}

TEST_F(ProcessTest, ForkedChildThatStaysAwayHurtsNobody) {
  Owned<cl_mem> buffer = NewInts({5});
  pid_t pid = fork();
  if (pid == 0) _exit(42);
  EXPECT_EQ(42, Wait(pid));
  EXPECT_EQ(5, ReadInts(buffer, 1)[0]);
}

TEST_F(ProcessTest, ParentIsUnharmedByAChildThatCallsInto) {
  if (!GetTarget().in_slice) GTEST_SKIP() << "undefined natively: the driver's threads are gone in the child";
  Owned<cl_mem> buffer = NewInts({5});
  pid_t pid = fork();
  if (pid == 0) {
    alarm(20);
    cl_int value = 0;
    cl_int status = clEnqueueReadBuffer(queue(), buffer, CL_TRUE, 0, 4, &value, 0, nullptr, nullptr);
    _exit(status != CL_SUCCESS && clFinish(queue()) != CL_SUCCESS ? 0 : 1);
  }
  EXPECT_EQ(0, Wait(pid)) << "the parent's objects are unusable in a forked child: an error, no hang";
  EXPECT_EQ(5, ReadInts(buffer, 1)[0]);
}

TEST_F(ProcessTest, ExitWithWorkQueuedIsClean) { EXPECT_EQ(7, RunChild("exit_with_work")); }

TEST_F(ProcessTest, ExitBehindAUserEventIsClean) { EXPECT_EQ(8, RunChild("exit_behind_user_event")); }

TEST_F(ProcessTest, QuickExitWithWorkQueuedIsClean) { EXPECT_EQ(9, RunChild("quick_exit_with_work")); }

TEST_F(ProcessTest, ExitFromAnotherThreadIsClean) { EXPECT_EQ(10, RunChild("exit_from_thread")); }

}  // namespace
}  // namespace xpool::conformance
