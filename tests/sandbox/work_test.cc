// What a confined worker of PoCL can still do: compile, link, load and run kernels, use what an earlier worker of the
// same tenant compiled, and reach its agent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "base/process.h"
#include "base/status.h"
#include "base/unix_socket.h"
#include "sandbox/landlock.h"
#include "sandbox/testing/child.h"
#include "scenes.h"
#include "test_worker.h"

namespace xpool::sandbox {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A kernel nobody has compiled yet, as long as |number| is new.
std::string Source(int number) {
  return absl::StrCat("__kernel void k(__global int* x) { x[get_global_id(0)] = ", number, "; }");
}

std::string Text(const absl::StatusOr<int>& value) {
  return value.ok() ? absl::StrCat(*value) : std::string(value.status().message());
}

// The two kinds of agents.
class Work : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (as_root() && geteuid() != 0) GTEST_SKIP() << "only root can give a worker a user of its own";
    if (LandlockAbi() < 2) GTEST_SKIP() << "this kernel has no Landlock that PoCL works under";
    (void)scene();  // in this process, not in each child
  }
  bool as_root() const { return GetParam(); }
  const Scene& scene() const { return as_root() ? RootScene() : UserScene(); }
  std::string Run(const std::function<std::string()>& body) const {
    const Outcome outcome = as_root() ? RunInChild(body) : RunAsAgentUser(body);
    return outcome.signal == 0 ? outcome.said : absl::StrCat("ended by signal ", outcome.signal);
  }
  std::string Confined(const std::function<std::string(TestWorker&)>& work) const {
    return Run([&] { return InSandbox(scene(), scene().WorkerSpec(), work); });
  }
};

// Work that ends in a kernel's execution.
class KernelWork : public Work {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "the thread sanitizer does not see PoCL's locks, and takes what its threads hand over for races";
#endif
    Work::SetUp();
  }
};

std::string AgentName(const ::testing::TestParamInfo<bool>& info) { return info.param ? "Root" : "User"; }
INSTANTIATE_TEST_SUITE_P(Agent, Work, ::testing::Bool(), AgentName);
INSTANTIATE_TEST_SUITE_P(Agent, KernelWork, ::testing::Bool(), AgentName);

TEST_P(KernelWork, NewKernelIsCompiledAndRun) {
  EXPECT_EQ(Confined([](TestWorker& worker) { return Text(worker.BuildAndRun(Source(1001))); }), "1001");
}

TEST_P(KernelWork, KernelWithOptionsAndBuiltinsIsCompiledAndRun) {
  const std::string source =
      "__kernel void k(__global int* x) { __local int l[1]; l[0] = (int)sqrt(49.0f) + N; "
      "barrier(CLK_LOCAL_MEM_FENCE); x[0] = l[0]; printf(\"%s\", \"\"); }";
  const auto build = [&](TestWorker& worker) {
    return Text(worker.BuildAndRun(source, "-DN=3 -cl-fast-relaxed-math -cl-std=CL1.2"));
  };
  EXPECT_EQ(Confined(build), "10");
}

TEST_P(Work, CompilerSaysWhatIsWrong) {
  const auto build = [](TestWorker& worker) {
    (void)worker.BuildAndRun("__kernel void k(__global int* x) { wrong }");
    return worker.build_log();
  };
  EXPECT_THAT(Confined(build), HasSubstr("undeclared identifier 'wrong'"));
}

TEST_P(KernelWork, ManyKernelsInARow) {
  const auto build = [](TestWorker& worker) {
    int right = 0;
    for (int number = 2000; number < 2005; ++number) {
      const auto value = worker.BuildAndRun(Source(number));
      if (value.ok() && *value == number) ++right;
    }
    return absl::StrCat(right);
  };
  EXPECT_EQ(Confined(build), "5");
}

// File names below |directory| with the numbers of their inodes.
std::map<std::string, uint64_t> Inodes(const std::string& directory) {
  std::map<std::string, uint64_t> inodes;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    struct stat info;
    if (entry.path().extension() == ".so" && stat(entry.path().c_str(), &info) == 0) inodes[entry.path()] = info.st_ino;
  }
  return inodes;
}

TEST_P(KernelWork, CompiledKernelServesTheTenantsNextWorker) {
  const auto build = [](TestWorker& worker) { return Text(worker.BuildAndRun(Source(3001))); };
  ASSERT_EQ(Confined(build), "3001");
  const auto compiled = Inodes(scene().own.cache());
  EXPECT_FALSE(compiled.empty());
  EXPECT_EQ(Confined(build), "3001");
  EXPECT_EQ(Inodes(scene().own.cache()), compiled);  // linked again, it would be another file
}

TEST_P(Work, ReachesItsAgentAgain) {
  const std::string path = scene().public_directory + "/agent.sock";
  auto listener = ListenSeqPacket(path, 0666);
  ASSERT_TRUE(listener.ok()) << listener.status();
  const auto reconnect = [&](TestWorker&) -> std::string {
    const auto pidfd = OpenPidfd(getpid());
    if (!pidfd.ok()) return pidfd.status().ToString();
    const auto socket = ConnectSeqPacket(path);
    if (!socket.ok()) return socket.status().ToString();
    const int passed[] = {pidfd->get()};
    return SendMessage(socket->get(), std::as_bytes(std::span("hello", 5)), passed).ToString();
  };
  EXPECT_EQ(Confined(reconnect), "OK");
  const auto connection = AcceptConnection(listener->get());
  ASSERT_TRUE(connection.ok());
  const auto message = ReceiveMessage(connection->get(), 64);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->bytes.size(), 5u);
  EXPECT_EQ(message->fds.size(), 1u);
}

TEST_P(KernelWork, WithoutSocketsItReachesNobody) {
  const auto connect = [&](TestWorker& worker) {
    const absl::Status connected = ConnectSeqPacket(scene().public_directory + "/agent.sock").status();
    return absl::StrCat(absl::IsPermissionDenied(connected), " ", Text(worker.BuildAndRun(Source(4001))));
  };
  EXPECT_EQ(Run([&] { return InSandbox(scene(), scene().WorkerSpec(), connect, Sockets::kNone); }), "1 4001");
}

TEST_P(KernelWork, MemoryPastTheLimitIsRefusedAndTheWorkerGoesOn) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "the address sanitizer's own memory is past any limit";
#endif
  Spec spec = scene().WorkerSpec();
  spec.limits.data_bytes = uint64_t{1} << 30;
  const std::string said = Run([&] {
    return InSandbox(scene(), spec, [](TestWorker& worker) {
      void* const too_much = std::malloc(size_t{2} << 30);
      return absl::StrCat(too_much == nullptr, " ", Text(worker.BuildAndRun(Source(5001))));
    });
  });
  EXPECT_EQ(said, "1 5001");
}

TEST_P(KernelWork, EveryVersionOfLandlockFromTheSecondLetsItCompile) {
  for (int abi = 2; abi <= LandlockAbi(); ++abi) {
    Spec spec = scene().WorkerSpec();
    spec.landlock_abi_limit = abi;
    const int number = 6000 + abi;
    const auto build = [&](TestWorker& worker) { return Text(worker.BuildAndRun(Source(number))); };
    EXPECT_EQ(Run([&] { return InSandbox(scene(), spec, build); }), absl::StrCat(number)) << "version " << abi;
  }
}

TEST_P(KernelWork, WithoutLandlockItRunsOnlyWhereTheCallerAllowsIt) {
  for (const int abi : {0, 1}) {  // the first version forbids renaming between directories, which PoCL does
    Spec spec = scene().WorkerSpec();
    spec.landlock_abi_limit = abi;
    const auto build = [&](TestWorker& worker) { return Text(worker.BuildAndRun(Source(7000 + abi))); };
    EXPECT_THAT(Run([&] { return InSandbox(scene(), spec, build); }), HasSubstr("UNAVAILABLE"));
    spec.require_landlock = false;
    EXPECT_EQ(Run([&] { return InSandbox(scene(), spec, build); }), absl::StrCat(7000 + abi));
  }
}

TEST_P(Work, ReportCountsThreadsAndSaysWhatIsMissing) {
  const int abi = LandlockAbi();
  const std::string said = Run([&]() -> std::string {
    auto worker = StartWorker(scene());
    if (!worker.ok()) return worker.status().ToString();
    int threads = 0;
    ForEachThread(getpid(), [&threads](int, pid_t) { ++threads; });
    const auto report = (*worker)->Enter(Sockets::kUnix, scene().WorkerSpec());
    if (!report.ok()) return report.status().ToString();
    return absl::StrCat(report->threads == threads, " ", report->landlock_abi == abi, " ", report->missing.size());
  });
  // The agent's user: its rights, its sockets, its processes.
  if (abi < 6) GTEST_SKIP() << "an older Landlock misses things of its own";
  EXPECT_EQ(said, as_root() ? "1 1 0" : "1 1 3");
}

}  // namespace
}  // namespace xpool::sandbox
