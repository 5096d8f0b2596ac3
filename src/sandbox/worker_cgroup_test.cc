// Version 1 is tried for real where this machine has it and the test is root; version 2's controllers are bound to it
// there, so version 2 is tried over plain files in its shape.
#include "sandbox/worker_cgroup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "base/status.h"
#include "sandbox/testing/child.h"

namespace xpool::sandbox {
namespace {

using ::testing::HasSubstr;

std::string Read(const std::string& path) {
  std::ifstream file(path);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

class RealCgroupTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto tree = CgroupTree::Open();
    if (!tree.ok()) GTEST_SKIP() << tree.status();
    auto group = tree->Create(absl::StrCat("xpool-test-", getpid()));
    ASSERT_TRUE(group.ok()) << group.status();
    group_ = *std::move(group);
  }
  void TearDown() override {
    if (group_ == nullptr) return;
    for (int i = 0; i < 1000 && !group_->Remove().ok(); ++i) usleep(1000);  // ended processes take a moment
    EXPECT_TRUE(group_->Remove().ok());
  }
  bool Missing(Controller controller) const { return !group_->Has(controller); }
  std::unique_ptr<WorkerCgroup> group_;
};

TEST_F(RealCgroupTest, ProcessesPastTheLimitAreRefused) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "each process has a thread of the thread sanitizer's beside its own, which the limit counts";
#endif
  if (Missing(Controller::kPids)) GTEST_SKIP() << "no pids controller";
  ASSERT_TRUE(group_->SetLimits({.processes = 5}).ok());
  const Outcome outcome = RunInChild([&]() -> std::string {
    if (const absl::Status added = group_->Add(getpid()); !added.ok()) return added.ToString();
    std::vector<pid_t> children;
    while (children.size() < 20) {
      const pid_t child = fork();
      if (child < 0) break;
      if (child == 0) {
        pause();
        _exit(0);
      }
      children.push_back(child);
    }
    for (const pid_t child : children) {
      kill(child, SIGKILL);
      waitpid(child, nullptr, 0);
    }
    return absl::StrCat(children.size());
  });
  EXPECT_EQ(outcome.said, "4");  // and this process, the fifth
}

TEST_F(RealCgroupTest, MemoryPastTheLimitEndsTheProcess) {
  if (Missing(Controller::kMemory)) GTEST_SKIP() << "no memory controller";
  const absl::Status set = group_->SetLimits({.memory_bytes = 64 << 20});
  ASSERT_TRUE(set.ok()) << set;
  const Outcome outcome = RunInChild([&]() -> std::string {
    if (const absl::Status added = group_->Add(getpid()); !added.ok()) return added.ToString();
    constexpr size_t kBytes = 256 << 20;
    void* const memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(memory, 1, kBytes);
    return "it had the memory";
  });
  EXPECT_EQ(outcome.signal, SIGKILL) << outcome.said;
}

TEST_F(RealCgroupTest, LimitsCanBeChanged) {
  ASSERT_TRUE(group_->Has(Controller::kMemory));
  for (const uint64_t bytes : {uint64_t{64} << 20, uint64_t{128} << 20, uint64_t{32} << 20}) {
    const absl::Status set = group_->SetLimits({.memory_bytes = bytes, .processes = 10, .cpu_weight = 50});
    EXPECT_TRUE(set.ok()) << set;
  }
}

TEST_F(RealCgroupTest, KillEndsAllProcessesAndThenItCanBeRemoved) {
  const Outcome outcome = RunInChild([&]() -> std::string {
    const pid_t child = fork();
    if (child == 0) {
      pause();
      _exit(0);
    }
    if (const absl::Status added = group_->Add(child); !added.ok()) return added.ToString();
    const bool busy = absl::IsUnavailable(group_->Remove());
    (void)group_->Kill();
    int status = 0;
    waitpid(child, &status, 0);
    return absl::StrCat(busy, " ", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
  });
  EXPECT_EQ(outcome.said, "1 9");
}

TEST_F(RealCgroupTest, GroupInUseIsNotTakenOver) {
  const auto tree = CgroupTree::Open();
  const std::string name = std::filesystem::path(group_->directories().front()).filename();
  const Outcome outcome = RunInChild([&] {
    if (!group_->Add(getpid()).ok()) return std::string("not added");
    return tree->Create(name).status().ToString();
  });
  EXPECT_THAT(outcome.said, HasSubstr("ALREADY_EXISTS"));
}

// Plain files in the shape of a version 2 hierarchy: no kernel behind them.
class FakeVersion2 : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/xpool-cgroup-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    Write("cgroup.controllers", "cpuset cpu io memory pids\n");
    Write("cgroup.subtree_control", "cpu memory pids\n");
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  void Write(const std::string& file, const std::string& text) { std::ofstream(directory_ + "/" + file) << text; }
  // The kernel makes these with the directory; here they are there before.
  void MakeGroup(const std::string& name) {
    std::filesystem::create_directory(directory_ + "/" + name);
    for (const char* file :
         {"cgroup.procs", "memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.weight"}) {
      Write(name + "/" + file, "");
    }
  }
  absl::StatusOr<CgroupTree> Open() { return CgroupTree::OpenIn({{true, directory_, {}}}); }
  std::string directory_;
};

TEST_F(FakeVersion2, LimitsGoToItsFiles) {
  MakeGroup("worker");
  const auto tree = Open();
  ASSERT_TRUE(tree.ok()) << tree.status();
  auto group = tree->Create("worker");
  ASSERT_TRUE(group.ok()) << group.status();
  const absl::Status set = (*group)->SetLimits({.memory_bytes = 1000000, .processes = 64, .cpu_weight = 200});
  ASSERT_TRUE(set.ok()) << set;
  EXPECT_EQ(Read(directory_ + "/worker/memory.max"), "1000000");
  EXPECT_EQ(Read(directory_ + "/worker/memory.swap.max"), "0");
  EXPECT_EQ(Read(directory_ + "/worker/memory.oom.group"), "1");
  EXPECT_EQ(Read(directory_ + "/worker/pids.max"), "64");
  EXPECT_EQ(Read(directory_ + "/worker/cpu.weight"), "200");
}

TEST_F(FakeVersion2, ControllersAreOfferedBelow) {
  Write("cgroup.controllers", "memory pids\n");
  Write("cgroup.subtree_control", "memory\n");
  const auto tree = Open();
  ASSERT_TRUE(tree.ok()) << tree.status();
  EXPECT_THAT(tree->hierarchies().front().controllers, ::testing::ElementsAre(Controller::kMemory, Controller::kPids));
  EXPECT_THAT(Read(directory_ + "/cgroup.subtree_control"), HasSubstr("+pids"));
}

TEST_F(FakeVersion2, LimitWithoutAControllerSetsNothing) {
  Write("cgroup.controllers", "pids\n");
  MakeGroup("worker");
  const auto tree = Open();
  ASSERT_TRUE(tree.ok());
  auto group = tree->Create("worker");
  ASSERT_TRUE(group.ok());
  EXPECT_TRUE(absl::IsUnavailable((*group)->SetLimits({.memory_bytes = 1, .processes = 3})));
  EXPECT_EQ(Read(directory_ + "/worker/pids.max"), "");
}

TEST_F(FakeVersion2, WithoutControllersItIsUnavailableAndSaysWhy) {
  Write("cgroup.controllers", "io\n");
  EXPECT_TRUE(absl::IsUnavailable(Open().status()));
  EXPECT_THAT(std::string(Open().status().message()), HasSubstr("Delegate=yes"));
}

TEST_F(FakeVersion2, NamesThatLeadElsewhereAreRefused) {
  const auto tree = Open();
  ASSERT_TRUE(tree.ok());
  for (const char* name : {"", ".", "..", "a/b", "../x", ".hidden", "a\nb"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(tree->Create(name).status())) << name;
  }
}

TEST(CgroupPermissionTest, PlainUserIsToldWhy) {
  const Outcome outcome = RunInChild([] {
    if (geteuid() == 0 && setresuid(2999989, 2999989, 2999989) != 0) return std::string("no user");
    const auto tree = CgroupTree::Open();
    return tree.ok() ? "delegated" : tree.status().ToString();  // to a plain user by its session manager, perhaps
  });
  EXPECT_THAT(outcome.said, ::testing::AnyOf(HasSubstr("UNAVAILABLE"), "delegated"));
}

}  // namespace
}  // namespace xpool::sandbox
