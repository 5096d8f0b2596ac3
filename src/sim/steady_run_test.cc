#include "sim/steady_run.h"

#include <gtest/gtest.h>

#include <map>

#include "sim/bounds.h"
#include "sim/generate.h"

namespace xpool::sim {
namespace {

struct Case {
  Cluster cluster;
  Workload workload;
};

Case Small(const char* kind) {
  const Generated made = Generate(kind, {.cards = 200, .pods = 2000, .seed = 3}).value();
  Case of;
  of.cluster = ParseNodes(PrintNodes(made.nodes), "n").value();
  of.workload = ParsePods(PrintPods(made.pods), "p", &of.cluster.models).value();
  return of;
}

double Carried(const Case& of) { return CarriedPct(of.cluster, of.workload).value(); }

SteadyResult AtLoad(const Case& of, double load_pct) {
  return RunSteady(of.cluster, of.workload, "bestfit", Carried(of), {.load_pct = load_pct, .counted = 3}, [](double) {})
      .value();
}

TEST(SteadyRunTest, UsesWhatIsAskedForAndBlocksMoreTheMoreThatIs) {
  const Case of = Small("openb-like");
  const SteadyResult calm = AtLoad(of, 30), busy = AtLoad(of, 110);
  EXPECT_EQ(calm.blocked, 0);
  EXPECT_EQ(calm.mean_wait_s, 0);
  EXPECT_GT(busy.blocked, busy.arrived / 20);
  EXPECT_GT(busy.mean_wait_s, 0);
  EXPECT_GT(busy.used_pct, 2 * calm.used_pct);
}

TEST(SteadyRunTest, SameSeedSameResult) {
  const Case of = Small("mixed");
  const SteadyResult one = AtLoad(of, 95), other = AtLoad(of, 95);
  EXPECT_EQ(one.arrived, other.arrived);
  EXPECT_EQ(one.blocked, other.blocked);
  EXPECT_EQ(one.mean_wait_s, other.mean_wait_s);
  EXPECT_GT(one.remote_pods_pct, 0);  // some nodes with cards are short of CPU
}

TEST(SteadyRunTest, PolicyIsToldOfThePodsToCome) {
  const Case of = Small("mixed");
  PolicyChosen told;
  SteadyOptions options{.warm_up = 0, .counted = 0.01};
  options.log = [&](const LogLine& line) {
    if (const auto* chosen = std::get_if<PolicyChosen>(&line.what); chosen != nullptr) told = *chosen;
  };
  ASSERT_TRUE(RunSteady(of.cluster, of.workload, "xpool", Carried(of), options, [](double) {}).ok());
  EXPECT_EQ(told.spec, "xpool");
  EXPECT_GT(told.mix.types.size(), 20u);
}

TEST(SteadyRunTest, GangsArriveStartAndDepartAsAWhole) {
  const Case of = Small("superpod");
  std::map<std::string, size_t> members;  // of gangs that have arrived
  int gangs = 0;
  SteadyOptions options{.load_pct = 60, .warm_up = 0, .counted = 0.5};
  options.log = [&](const LogLine& line) {
    if (const auto* event = std::get_if<scheduler::Event>(&line.what); event != nullptr) {
      const auto* seen = std::get_if<scheduler::PodSeen>(event);
      if (seen != nullptr && !seen->spec.gang.name.empty()) ++members[seen->spec.gang.name];
    } else if (const auto* decided = std::get_if<Decided>(&line.what); decided != nullptr) {
      const auto gang = members.find(decided->unit);
      if (gang == members.end() || decided->placed.empty()) return;
      EXPECT_EQ(decided->placed.size(), gang->second);
      ++gangs;
    }
  };
  const SteadyResult result =
      RunSteady(of.cluster, of.workload, "bestfit", Carried(of), options, [](double) {}).value();
  EXPECT_GT(gangs, 0);
  EXPECT_GT(result.used_pct, 10);
}

TEST(SteadyRunTest, SaysWhatCannotBeRun) {
  Case of = Small("mixed");
  EXPECT_EQ(RunSteady(of.cluster, of.workload, "best", Carried(of), {}, [](double) {}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(RunSteady(of.cluster, of.workload, "bestfit", Carried(of), {.counted = 1e9}, [](double) {}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace xpool::sim
