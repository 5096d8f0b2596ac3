// The published curves of the FGD paper's experiments, reproduced. Skipped where the trace is not there.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "sim/fill_run.h"

namespace xpool::sim {
namespace {

const std::string kFolder = getenv("XPOOL_OPENB") != nullptr ? getenv("XPOOL_OPENB") : XPOOL_OPENB;
constexpr double kTolerance = 0.02;  // percentage points
constexpr size_t kMostBytes = size_t{64} << 20;

std::string Text(const std::string& file) {
  return ReadFile(kFolder + "/" + file, kMostBytes, FileTrust::kAny).value();
}

// Of |policy|, as published, and |seed|: by arrived percent.
std::vector<double> PublishedCurve(const std::string& workload, const std::string& policy, int64_t seed) {
  const std::string text = Text("expected/allocation_pct.csv");
  std::vector<double> curve;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> cells = absl::StrSplit(line, ',');
    if (cells.size() < 5 || cells[0] != workload || cells[1] != policy || cells[2] != absl::StrCat(seed)) continue;
    for (size_t i = 4; i < cells.size(); ++i) {
      double value = NAN;
      curve.push_back(absl::SimpleAtod(cells[i], &value) ? value : NAN);
    }
  }
  return curve;
}

struct Case {
  const char *workload, *policy, *published;
};

class PublishedCurvesTest : public testing::TestWithParam<Case> {
  void SetUp() override {
    if (!std::filesystem::exists(kFolder + "/nodes.csv")) {
      GTEST_SKIP() << "there is no openb trace in " << kFolder << "; say where with XPOOL_OPENB=FOLDER";
    }
  }
};

TEST_P(PublishedCurvesTest, AreReproduced) {
  const auto& [name, policy_name, published_name] = GetParam();
  Cluster cluster = ParseNodes(Text("nodes.csv"), "nodes.csv").value();
  const Workload workload = ParsePods(Text(absl::StrCat("pods/", name, ".csv")), "pods", &cluster.models).value();
  const auto events =
      ParseEvents(Text(absl::StrCat("events/", name, ".txt")), "events", workload.pods.size(), cluster.nodes.size());
  const std::unique_ptr<scheduler::Policy> policy = scheduler::MakePolicy(policy_name, {workload.mix, {}}).value();
  constexpr int64_t kSeed = 43;
  const FillCurve curve = RunFill(cluster, workload, events.value().at(kSeed), policy.get());
  const std::vector<double> published = PublishedCurve(name, published_name, kSeed);
  ASSERT_EQ(published.size(), 131u);
  for (size_t percent = 0; percent < published.size(); ++percent) {
    if (std::isnan(published[percent])) continue;
    EXPECT_NEAR(curve.allocated_pct[percent], published[percent], kTolerance) << percent << " % arrived";
  }
}

INSTANTIATE_TEST_SUITE_P(Openb, PublishedCurvesTest,
                         testing::Values(Case{"default", "fgd", "06-FGD"}, Case{"gpushare80", "fgd", "06-FGD"},
                                         Case{"cpu200", "bestfit", "05-BestFit"},
                                         Case{"gpuspec25", "packing", "04-GpuPacking"},
                                         Case{"multigpu40", "clustering", "03-GpuClustering"},
                                         Case{"gpuspec10", "dotprod", "02-DotProd"}),
                         [](const auto& info) { return absl::StrCat(info.param.workload, "_", info.param.policy); });

}  // namespace
}  // namespace xpool::sim
