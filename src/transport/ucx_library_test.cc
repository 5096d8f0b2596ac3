// How UCX is loaded: what happens without it, and what it leaves behind in the process with it.
#include "transport/ucx_library.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <map>
#include <string>

#include "transport/testing/ucx_pair.h"
#include "transport/ucx_context.h"

namespace xpool::transport {
namespace {

// What UCX is known to change: handlers of fatal signals and of SIGHUP, and the code of functions that map memory.
struct Guarded {
  std::map<int, struct sigaction> handlers;
  stack_t signal_stack{};
  std::map<std::string, std::array<char, 32>> code;
};

Guarded Look() {
  Guarded seen;
  for (const int signal : {SIGHUP, SIGILL, SIGBUS, SIGFPE, SIGSEGV, SIGABRT, SIGUSR1, SIGUSR2, SIGPIPE, SIGTERM})
    sigaction(signal, nullptr, &seen.handlers[signal]);
  sigaltstack(nullptr, &seen.signal_stack);
  for (const char* name : {"mmap", "munmap", "mremap", "madvise", "brk", "sbrk", "shmat", "shmdt", "malloc", "free"}) {
    const void* code = dlsym(RTLD_DEFAULT, name);
    if (code != nullptr) memcpy(seen.code[name].data(), code, seen.code[name].size());
  }
  return seen;
}

// Nothing has loaded UCX yet.
const Guarded before_all = Look();
char** const environment_before = environ;

TEST(UcxLibraryTest, WithoutUcxTheErrorSaysWhatToInstall) {
  const absl::Status status = UcxLibrary::Load("libucs-that-is-not-here.so.0", "libucp.so.0").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(status.message().find("libucs-that-is-not-here.so.0"), std::string::npos) << status;
  EXPECT_NE(status.message().find("libucx0"), std::string::npos) << status;
}

TEST(UcxLibraryTest, LibraryWithoutUcxsFunctionsIsNoUcx) {
  const absl::Status status = UcxLibrary::Load("libc.so.6", "libc.so.6").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(status.message().find("has no ucp_"), std::string::npos) << status;
}

class LoadedUcxTest : public testing::Test {
 protected:
  void SetUp() override {
    const absl::Status usable = UcxChannel::Usable({});
    if (!usable.ok()) GTEST_SKIP() << usable;
  }
};

TEST_F(LoadedUcxTest, LoadingLeavesHandlersAndSignalStackAsTheyWere) {
  const UcxPair pair = MakeUcxEnds({});
  const Guarded now = Look();
  for (const auto& [signal, handler] : before_all.handlers) {
    EXPECT_EQ(now.handlers.at(signal).sa_sigaction, handler.sa_sigaction) << strsignal(signal);
    EXPECT_EQ(now.handlers.at(signal).sa_flags, handler.sa_flags) << strsignal(signal);
  }
  EXPECT_EQ(now.signal_stack.ss_sp, before_all.signal_stack.ss_sp);
  EXPECT_EQ(now.signal_stack.ss_flags, before_all.signal_stack.ss_flags);
}

TEST_F(LoadedUcxTest, UseLeavesTheFunctionsThatMapMemoryAsTheyWere) {
  UcxOptions options;
  options.transports = "all";
  options.bulk = true;
  const UcxPair pair = MakeUcxEnds(options);
  std::vector<std::byte> memory(1 << 20);
  ASSERT_TRUE(pair.left->bulk()->Register(memory).ok());
  const Guarded now = Look();
  for (const auto& [name, code] : before_all.code) EXPECT_TRUE(now.code.at(name) == code) << name;
}

TEST_F(LoadedUcxTest, EnvironmentIsTheProgramsAgain) {
  EXPECT_EQ(getenv("UCX_MEM_EVENTS"), nullptr);
  EXPECT_EQ(environ, environment_before);
}

TEST_F(LoadedUcxTest, FailuresArePrintedByNobody) {
  UcxOptions options;
  options.transports = "nosuchtransport";
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  const absl::Status status = UcxChannel::Usable(options);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(status.message().find("nosuchtransport"), std::string::npos) << status;
}

// On a machine without any.
TEST_F(LoadedUcxTest, AdaptersThatAreNotHereAreNoError) {
  UcxOptions options;
  options.plain = PlainUcx::kAnywhere;
  const UcxPair pair = MakeUcxEnds(options);
  EXPECT_NE(pair.left, nullptr);
}

TEST_F(LoadedUcxTest, OptionsThatCannotBeAreRefused) {
  UcxOptions strange, small, odd;
  strange.transports = "tcp;rm -rf";
  small.window_bytes = 1024;
  odd.window_bytes = 5000;
  for (const UcxOptions& options : {strange, small, odd})
    EXPECT_EQ(UcxChannel::Usable(options).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace xpool::transport
