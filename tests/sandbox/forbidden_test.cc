// A worker of PoCL, warmed up and confined, makes each forbidden attempt on each kind of thread, in a process of its
// own: once under its tenant's user, as an agent that is root has it (skipped where the test is not root), and once
// under the user of an agent that is not.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "attempts.h"
#include "base/fd.h"
#include "base/status.h"
#include "sandbox/landlock.h"
#include "sandbox/testing/child.h"
#include "scenes.h"
#include "test_worker.h"

namespace xpool::sandbox {
namespace {

struct Case {
  Attempt attempt;
  Place place;
};

void PrintTo(const Case& param, std::ostream* out) { *out << param.attempt.name << " on " << PlaceName(param.place); }

std::string NameOf(const ::testing::TestParamInfo<Case>& info) {
  return absl::StrCat(info.param.attempt.name, "_", PlaceName(info.param.place));
}

std::vector<Case> Cases(std::initializer_list<Place> places) {
  std::vector<Case> cases;
  for (const auto list : {FileAttempts, ProcessAttempts, SocketAttempts, KernelAttempts, LimitAttempts}) {
    for (const Attempt& attempt : list()) {
      for (const Place place : places) cases.push_back({attempt, place});
    }
  }
  return cases;
}

std::string Verdict(int error) { return error == 0 ? "it succeeded" : strerror(error); }

// In the child: becomes a confined worker and makes the attempt.
std::string Try(const Scene& scene, const Case& param) {
  agent_process = getppid();
  return InSandbox(scene, scene.WorkerSpec(), [&](TestWorker& worker) {
    return Verdict(worker.RunAt(param.place, [&] { return param.attempt.make(scene); }));
  });
}

void ExpectRefused(const Outcome& outcome, const Attempt& attempt) {
  if (attempt.expected == kKilled) {
    EXPECT_EQ(outcome.signal, SIGSYS) << "said: " << outcome.said;
    EXPECT_EQ(outcome.said, "");
  } else {
    EXPECT_EQ(outcome.said, Verdict(attempt.expected)) << "signal " << outcome.signal;
  }
}

class Forbidden : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const int needed = std::max(GetParam().attempt.landlock, 2);  // PoCL works under none before
    if (LandlockAbi() < needed) GTEST_SKIP() << "this kernel's Landlock is " << LandlockAbi() << ", not " << needed;
  }
};
class OwnUser : public Forbidden {};
class AgentsUser : public Forbidden {};

TEST_P(OwnUser, Refuses) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a worker a user of its own";
  const Scene& scene = RootScene();
  ExpectRefused(RunInChild([&] { return Try(scene, GetParam()); }), GetParam().attempt);
}

INSTANTIATE_TEST_SUITE_P(Worker, OwnUser,
                         ::testing::ValuesIn(Cases({Place::kMainThread, Place::kThreadBefore, Place::kThreadAfter,
                                                    Place::kDriverThread, Place::kChild})),
                         NameOf);

TEST_P(AgentsUser, Refuses) {
  if (GetParam().attempt.needs_own_user) GTEST_SKIP() << "not kept from a worker with the agent's user";
  const Scene& scene = UserScene();
  const Outcome outcome = RunAsAgentUser([&] { return Try(scene, GetParam()); });
  ExpectRefused(outcome, GetParam().attempt);
}

INSTANTIATE_TEST_SUITE_P(Worker, AgentsUser, ::testing::ValuesIn(Cases({Place::kMainThread, Place::kDriverThread})),
                         NameOf);

// Programs that an attempt manages to execute would write into the test's output.
void Hush() {
  const UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  dup2(nowhere.get(), STDOUT_FILENO);
  dup2(nowhere.get(), STDERR_FILENO);
}

// The tests above can fail: without the sandbox, a plain user gets away with all but what permissions forbid anyway.
TEST(WithoutSandbox, OnlyPermissionsRefuse) {
  const Scene& scene = ScratchScene();
  std::vector<std::string> refused;
  for (const Case& each : Cases({Place::kMainThread})) {
    if (each.attempt.expected == kKilled) continue;
    const Outcome outcome = RunAsAgentUser([&] {
      agent_process = getppid();
      Hush();
      return Verdict(each.attempt.make(scene));
    });
    if (outcome.said == Verdict(each.attempt.expected)) refused.push_back(each.attempt.name);
  }
  EXPECT_THAT(refused, ::testing::IsSubsetOf({"ReadsShadow", "WritesLibraries", "WritesKernelSettings", "OpensTerminal",
                                              "OpensKernelMessages", "MakesDevice", "GivesFileAway", "RunsRealTime",
                                              "MakesPacketSocket", "AttachesSocketFilter", "RaisesPriority"}));
}

}  // namespace
}  // namespace xpool::sandbox
