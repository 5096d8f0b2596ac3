#include "sandbox/syscall_filter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>

#include "base/fd.h"
#include "base/status.h"
#include "sandbox/testing/child.h"

namespace xpool::sandbox {
namespace {

// What |attempt| gives under a filter, in a child: "ok", an error's text, or "killed".
std::string Under(Profile profile, Sockets sockets, const std::function<long()>& attempt) {
  const Outcome outcome = RunInChild([&]() -> std::string {
    const auto filter = SyscallFilter::Build(profile, sockets, getpid());
    if (!filter.ok()) return filter.status().ToString();
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (const absl::Status installed = filter->Install(); !installed.ok()) return installed.ToString();
    errno = 0;
    return attempt() >= 0 ? "ok" : strerror(errno);
  });
  return outcome.signal == SIGSYS ? "killed" : outcome.said;
}

const std::string kRefused = strerror(EPERM);

long Fork() {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  return child;
}

long StartThread() {
  std::thread([] {}).join();
  return 0;
}

long Open(int family, int type) { return UniqueFd(socket(family, type, 0)).get(); }

TEST(SyscallFilterTest, EveryProfileStartsThreads) {
  for (const Profile profile : {Profile::kPocl, Profile::kNull, Profile::kGeneric}) {
    EXPECT_EQ(Under(profile, Sockets::kNone, StartThread), "ok") << ProfileName(profile);
  }
}

TEST(SyscallFilterTest, OnlyPoclStartsProcesses) {
  EXPECT_EQ(Under(Profile::kPocl, Sockets::kNone, Fork), "ok");
  EXPECT_EQ(Under(Profile::kNull, Sockets::kNone, Fork), kRefused);
  EXPECT_EQ(Under(Profile::kGeneric, Sockets::kNone, Fork), kRefused);
}

TEST(SyscallFilterTest, OnlyPoclExecutesPrograms) {
  const auto execute = [] { return execl("/bin/true", "true", nullptr); };
  EXPECT_EQ(Under(Profile::kPocl, Sockets::kNone, execute), "");  // it did: the program says nothing
  EXPECT_EQ(Under(Profile::kNull, Sockets::kNone, execute), kRefused);
  EXPECT_EQ(Under(Profile::kGeneric, Sockets::kNone, execute), kRefused);
}

TEST(SyscallFilterTest, NullDriverCreatesNoFiles) {
  const auto make = [] { return mkdir("/nowhere/at/all", 0700); };
  EXPECT_EQ(Under(Profile::kNull, Sockets::kNone, make), kRefused);
  EXPECT_EQ(Under(Profile::kGeneric, Sockets::kNone, make), strerror(ENOENT));
}

// The request of another kind is refused by the device, not by the filter.
TEST(SyscallFilterTest, GenericDriverControlsDevicesButNoTerminals) {
  const auto request = [](unsigned long number) {
    return [number] {
      const UniqueFd device(open("/dev/null", O_RDWR | O_CLOEXEC));
      char argument[256] = {};
      return ioctl(device.get(), number, argument);
    };
  };
  const std::string by_device = strerror(ENOTTY);
  EXPECT_EQ(Under(Profile::kGeneric, Sockets::kNone, request(_IOWR('F', 1, int))), by_device);
  EXPECT_EQ(Under(Profile::kGeneric, Sockets::kNone, request(_IOWR('d', 1, int))), by_device);
  EXPECT_EQ(Under(Profile::kGeneric, Sockets::kNone, request(1)), by_device);
  for (const unsigned long number :
       std::initializer_list<unsigned long>{TIOCSTI, TIOCLINUX, TIOCSCTTY, 0xffff0000 | TIOCSTI}) {
    EXPECT_EQ(Under(Profile::kGeneric, Sockets::kNone, request(number)), kRefused) << number;
  }
  EXPECT_EQ(Under(Profile::kPocl, Sockets::kNone, request(_IOWR('F', 1, int))), kRefused);
  EXPECT_EQ(Under(Profile::kPocl, Sockets::kNone, request(TCGETS)), by_device);
}

TEST(SyscallFilterTest, SocketsAreOfTheKindAskedFor) {
  const auto unix_stream = [] { return Open(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC); };
  const auto packets = [] { return Open(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK); };
  const auto tcp = [] { return Open(AF_INET, SOCK_STREAM); };
  const auto udp = [] { return Open(AF_INET, SOCK_DGRAM); };
  EXPECT_EQ(Under(Profile::kNull, Sockets::kNone, unix_stream), kRefused);
  EXPECT_EQ(Under(Profile::kNull, Sockets::kUnix, unix_stream), "ok");
  EXPECT_EQ(Under(Profile::kNull, Sockets::kUnix, packets), "ok");
  EXPECT_EQ(Under(Profile::kNull, Sockets::kUnix, tcp), kRefused);
  EXPECT_EQ(Under(Profile::kNull, Sockets::kInternet, tcp), "ok");
  EXPECT_EQ(Under(Profile::kNull, Sockets::kInternet, udp), kRefused);
}

TEST(SyscallFilterTest, PairsOfSocketsAreForOneself) {
  const auto pair = [](int type) {
    return [type] {
      int ends[2];
      return socketpair(AF_UNIX, type, 0, ends);
    };
  };
  EXPECT_EQ(Under(Profile::kNull, Sockets::kNone, pair(SOCK_STREAM)), "ok");
  EXPECT_EQ(Under(Profile::kNull, Sockets::kNone, pair(SOCK_DGRAM)), kRefused);  // could write to any other
}

TEST(SyscallFilterTest, LimitsCanBeReadButNotSet) {
  const auto read = [] { return syscall(SYS_prlimit64, 0, 7, nullptr, nullptr); };
  const auto write = [] {
    const uint64_t limit[2] = {16, 16};
    return syscall(SYS_prlimit64, 0, 7, limit, nullptr);
  };
  EXPECT_EQ(Under(Profile::kPocl, Sockets::kNone, read), "ok");
  EXPECT_EQ(Under(Profile::kPocl, Sockets::kNone, write), kRefused);
}

TEST(SyscallFilterTest, PersonalityCanBeAskedButNotChanged) {
  EXPECT_EQ(Under(Profile::kPocl, Sockets::kNone, [] { return syscall(SYS_personality, 0xffffffffUL); }), "ok");
  EXPECT_EQ(Under(Profile::kPocl, Sockets::kNone, [] { return syscall(SYS_personality, 0x40000UL); }), "killed");
  // All bits set is asked for by the lower 32 alone, and refused: the filter is stricter than the kernel.
  EXPECT_EQ(Under(Profile::kPocl, Sockets::kNone, [] { return syscall(SYS_personality, ~0UL); }), "killed");
}

TEST(SyscallFilterTest, ThreadWithAnotherFilterIsAnErrorThatNamesIt) {
  const Outcome outcome = RunInChild([] {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    std::string said;
    std::atomic<int> step{0};
    std::thread other([&] {
      // Without TSYNC: this thread alone has one.
      sock_filter allow = {0x06, 0, 0, 0x7fff0000};
      sock_fprog program = {1, &allow};
      prctl(PR_SET_SECCOMP, 2, &program, 0, 0);
      step = 1;
      step.notify_all();
      step.wait(1);
    });
    step.wait(0);
    const auto filter = SyscallFilter::Build(Profile::kNull, Sockets::kNone, getpid());
    said = filter.ok() ? filter->Install().ToString() : filter.status().ToString();
    step = 2;
    step.notify_all();
    other.join();
    return said;
  });
  EXPECT_NE(outcome.said.find("has a system-call filter of its own"), std::string::npos) << outcome.said;
}

}  // namespace
}  // namespace xpool::sandbox
