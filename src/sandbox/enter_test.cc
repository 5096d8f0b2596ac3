// Entering, without a driver: what is refused beforehand, and what is true of each thread afterwards. With PoCL:
// tests/sandbox.
#include "sandbox/enter.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>

#include "base/fd.h"
#include "base/process.h"
#include "base/status.h"
#include "sandbox/landlock.h"
#include "sandbox/testing/child.h"
#include "sandbox/thread_status.h"

namespace xpool::sandbox {
namespace {

using ::testing::HasSubstr;

constexpr Identity kTenant = {2999990, 2999991};

Spec PlainSpec() {
  Spec spec;
  if (geteuid() == 0) spec.identity = kTenant;
  return spec;
}

absl::StatusOr<Report> Enter(const Spec& spec, Profile profile = Profile::kNull) {
  ASSIGN_OR_RETURN(Sandbox sandbox, Sandbox::Prepare(profile, Sockets::kNone));
  return sandbox.Enter(spec);
}

// What a child that enters says: the error, or |after|'s result.
std::string Inside(const Spec& spec, const std::function<std::string()>& after, Profile profile = Profile::kNull) {
  const Outcome outcome = RunInChild([&]() -> std::string {
    const auto report = Enter(spec, profile);
    return report.ok() ? after() : report.status().ToString();
  });
  return outcome.signal == 0 ? outcome.said : absl::StrCat("ended by signal ", outcome.signal);
}

std::string Nothing() { return ""; }

std::string OpenError(const char* path, int flags = O_RDONLY) {
  const UniqueFd file(open(path, flags | O_CLOEXEC));
  return file.valid() ? "ok" : strerror(errno);
}

class EnterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (LandlockAbi() < 1) GTEST_SKIP() << "this kernel has no Landlock";
  }
};

TEST_F(EnterTest, RootNeedsAUserForTheWorker) {
  if (geteuid() != 0) GTEST_SKIP() << "this test is not root";
  EXPECT_THAT(Inside(Spec(), Nothing), HasSubstr("INVALID_ARGUMENT: a worker started by root"));
}

TEST_F(EnterTest, RootIsNoUserForAWorker) {
  for (const Identity& identity : {Identity{0, 5}, Identity{5, 0}}) {
    Spec spec;
    spec.identity = identity;
    EXPECT_THAT(Inside(spec, Nothing), HasSubstr("INVALID_ARGUMENT"));
  }
}

TEST_F(EnterTest, PlainUserCannotTakeAnother) {
  const Outcome outcome = RunInChild([] {
    if (geteuid() == 0 && setresuid(2999989, 2999989, 2999989) != 0) return std::string("no user");
    Spec spec;
    spec.identity = kTenant;
    return Enter(spec).status().ToString();
  });
  EXPECT_THAT(outcome.said, HasSubstr("FAILED_PRECONDITION"));
}

TEST_F(EnterTest, ChildProcessesMustBeGoneBefore) {
  const Outcome outcome = RunInChild([] {
    const pid_t child = fork();
    if (child == 0) {
      pause();
      _exit(0);
    }
    const std::string with_child = Enter(PlainSpec()).status().ToString();
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    return with_child + ", then " + Enter(PlainSpec()).status().ToString();
  });
  EXPECT_THAT(outcome.said, ::testing::StartsWith("FAILED_PRECONDITION: the worker has child processes"));
  EXPECT_THAT(outcome.said, ::testing::EndsWith("then OK"));
}

TEST_F(EnterTest, MissingPathLeavesTheProcessAsItWas) {
  const Outcome outcome = RunInChild([] {
    Spec spec = PlainSpec();
    spec.paths = {{"/no/such/directory", Access::kReadWrite}};
    return Enter(spec).status().ToString() + "; " + OpenError("/etc/passwd");
  });
  EXPECT_THAT(outcome.said, HasSubstr("NOT_FOUND"));
  EXPECT_THAT(outcome.said, ::testing::EndsWith("; ok"));
}

TEST_F(EnterTest, SymbolicLinkIsNoDirectoryToBeWritten) {
  std::string directory = ::testing::TempDir() + "/xpool-enter-XXXXXX";
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  const std::string link = directory + "/link";
  ASSERT_EQ(symlink("/tmp", link.c_str()), 0);
  Spec spec = PlainSpec();
  spec.paths = {{link, Access::kReadWrite}};
  EXPECT_THAT(Inside(spec, Nothing), HasSubstr("FAILED_PRECONDITION"));
  unlink(link.c_str());
  rmdir(directory.c_str());
}

TEST_F(EnterTest, AnotherProcessCannotEnterAPreparedSandbox) {
  auto sandbox = Sandbox::Prepare(Profile::kNull, Sockets::kNone);
  ASSERT_TRUE(sandbox.ok());
  const Outcome outcome = RunInChild([&] { return sandbox->Enter(PlainSpec()).status().ToString(); });
  EXPECT_THAT(outcome.said, HasSubstr("FAILED_PRECONDITION"));
}

TEST_F(EnterTest, LimitBelowWhatIsUsedIsRefused) {
  Spec spec = PlainSpec();
  spec.limits.data_bytes = 4096;
  EXPECT_THAT(Inside(spec, Nothing), HasSubstr("INVALID_ARGUMENT"));
}

TEST_F(EnterTest, UnjoinableControlGroupIsAnErrorHalfWay) {
  Spec spec = PlainSpec();
  spec.cgroups = {"/no/such/group"};
  EXPECT_THAT(Inside(spec, Nothing), HasSubstr("INTERNAL: the worker is confined in part and must end"));
}

TEST_F(EnterTest, LibrariesCanBeReadAndLittleElse) {
  EXPECT_EQ(Inside(PlainSpec(), [] { return OpenError("/usr/lib/os-release"); }), "ok");
  EXPECT_EQ(Inside(PlainSpec(), [] { return OpenError("/dev/null", O_RDWR); }), "ok");
  EXPECT_EQ(Inside(PlainSpec(), [] { return OpenError("/etc/passwd"); }), strerror(EACCES));
}

TEST_F(EnterTest, ReadOnlyDirectoryCanBeReadAndNotWritten) {
  std::string directory = ::testing::TempDir() + "/xpool-enter-XXXXXX";
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  ASSERT_EQ(chmod(directory.c_str(), 0777), 0);
  Spec spec = PlainSpec();
  spec.paths = {{directory, Access::kRead}};
  const std::string file = directory + "/file";
  const auto tries = [&] { return OpenError(directory.c_str()) + ", " + OpenError(file.c_str(), O_WRONLY | O_CREAT); };
  EXPECT_EQ(Inside(spec, tries, Profile::kPocl), absl::StrCat("ok, ", strerror(EACCES)));
  rmdir(directory.c_str());
}

TEST_F(EnterTest, IoctlWorksOnDevicesOfTheSpecAlone) {
  if (LandlockAbi() < 5) GTEST_SKIP() << "this kernel's Landlock does not restrict ioctl";
  Spec spec = PlainSpec();
  spec.paths = {{"/dev/urandom", Access::kDevice}, {"/dev/zero", Access::kReadWrite}};
  const auto ask = [](const char* path) {
    const UniqueFd device(open(path, O_RDWR | O_CLOEXEC));
    int bits = 0;
    const int result = static_cast<int>(syscall(SYS_ioctl, device.get(), 0x80045200UL /* RNDGETENTCNT */, &bits));
    return result == 0 ? std::string("ok") : std::string(strerror(errno));
  };
  EXPECT_EQ(Inside(
                spec, [&] { return ask("/dev/urandom"); }, Profile::kGeneric),
            "ok");
  EXPECT_EQ(Inside(
                spec, [&] { return ask("/dev/zero"); }, Profile::kGeneric),
            strerror(EACCES));
}

// Threads that an earlier one starts all the time: whenever they are made, they are confined.
TEST_F(EnterTest, ThreadsMadeWhileEnteringAreConfined) {
  for (int round = 0; round < 10; ++round) {
    const Outcome outcome = RunInChild([]() -> std::string {
      static std::atomic<bool> entered{false};  // these outlive the child's threads
      static std::atomic<int> confined{0}, free{0};
      static std::function<void()> next = [] {
        if (entered) ++(OpenError("/etc/passwd") == "ok" ? free : confined);
        if (confined + free < 100) std::thread(next).detach();
      };
      for (int chain = 0; chain < 3; ++chain) std::thread(next).detach();
      const auto report = Enter(PlainSpec());
      if (!report.ok()) return report.status().ToString();
      entered = true;
      while (confined + free < 100) std::this_thread::yield();
      return absl::StrCat(free.load(), " are free");
    });
    ASSERT_EQ(outcome.said, "0 are free");
  }
}

// Seen from outside, since the child cannot look any more.
TEST_F(EnterTest, KernelShowsEachThreadWithoutPower) {
  const Outcome outcome = RunInChild([]() -> std::string {
    int ready[2];
    if (pipe(ready) != 0) return "no pipe";
    const pid_t worker = fork();
    if (worker == 0) {
      for (int i = 0; i < 3; ++i)
        std::thread([] {
          while (true) pause();  // each signal ends one
        }).detach();
      const char done = Enter(PlainSpec()).ok() ? '1' : '0';
      (void)!write(ready[1], &done, 1);
      pause();
    }
    char done = 0;
    (void)!read(ready[0], &done, 1);
    int confined = 0, free = 0;
    ForEachThread(worker, [&](int tasks, pid_t thread) {
      const UniqueFd file(openat(tasks, absl::StrCat(thread, "/status").c_str(), O_RDONLY | O_CLOEXEC));
      const auto status = ReadThreadStatus(file.get());
      const bool own = geteuid() == 0;
      const bool is_confined = status.ok() && CheckConfined(*status, {own, own, kTenant.uid, kTenant.gid}).ok();
      ++(is_confined ? confined : free);
    });
    kill(worker, SIGKILL);
    waitpid(worker, nullptr, 0);
    return absl::StrCat(done == '1', " ", confined >= 4, " ", free);  // a sanitizer may have threads of its own
  });
  EXPECT_EQ(outcome.said, "1 1 0");
}

TEST_F(EnterTest, LimitsAndMasksAreSet) {
  Spec spec = PlainSpec();
  spec.limits.open_files = 77;
  const auto look = [] {
    rlimit files{}, core{};
    getrlimit(RLIMIT_NOFILE, &files);
    getrlimit(RLIMIT_CORE, &core);
    char directory[64] = "";
    return absl::StrCat(files.rlim_cur, " ", files.rlim_max, " ", core.rlim_max, " ", prctl(PR_GET_DUMPABLE), " ",
                        getcwd(directory, sizeof(directory)));
  };
  EXPECT_EQ(Inside(spec, look), "77 77 0 0 /");
}

TEST_F(EnterTest, OnlyDescriptorsToBeKeptStayOpen) {
  const Outcome outcome = RunInChild([]() -> std::string {
    const int kept = open("/etc/passwd", O_RDONLY), lost = open("/etc/passwd", O_RDONLY);
    int ends[2];
    if (pipe(ends) != 0) return "no pipe";
    Spec spec = PlainSpec();
    spec.keep_fds = {STDOUT_FILENO, STDERR_FILENO, kept, ends[1]};
    for (int fd = 3; fd < 64; ++fd) {
      if (fd != lost && fd != ends[0]) spec.keep_fds->push_back(fd);  // the test's own way to be heard
    }
    const auto report = Enter(spec);
    if (!report.ok()) return report.status().ToString();
    const auto open = [](int fd) { return fcntl(fd, F_GETFD) >= 0; };
    return absl::StrCat(open(kept), open(lost), open(ends[0]), open(ends[1]), open(STDIN_FILENO));
  });
  EXPECT_EQ(outcome.said, "10010");
}

TEST_F(EnterTest, DeathOfTheAgentStillEndsTheWorker) {
  const Outcome outcome = RunInChild([]() -> std::string {
    int ends[2];
    if (pipe(ends) != 0) return "no pipe";
    const pid_t agent = fork();
    if (agent == 0) {
      const pid_t worker = fork();
      if (worker != 0) {
        char ready;
        (void)!read(ends[0], &ready, 1);
        _exit(0);
      }
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      const char done = Enter(PlainSpec()).ok() ? 'y' : 'n';
      (void)!write(ends[1], &done, 1);
      pause();  // until the agent ends, who has read what was written
    }
    close(ends[1]);
    waitpid(agent, nullptr, 0);
    char end;
    return read(ends[0], &end, 1) == 0 ? "ended" : "lives";  // the worker's end of the pipe is closed with it
  });
  EXPECT_EQ(outcome.said, "ended");
}

}  // namespace
}  // namespace xpool::sandbox
