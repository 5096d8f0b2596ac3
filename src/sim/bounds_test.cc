#include "sim/bounds.h"

#include <gtest/gtest.h>

#include "sim/linear_program.h"

namespace xpool::sim {
namespace {

struct Case {
  Cluster cluster;
  Workload workload;
};

Case Read(const std::string& nodes, const std::string& pods) {
  Case made;
  made.cluster = ParseNodes("sn,cpu_milli,memory_mib,gpu,model\n" + nodes, "n").value();
  made.workload =
      ParsePods("name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n" + pods, "p", &made.cluster.models).value();
  return made;
}

TEST(LinearProgramTest, FindsTheCorner) {
  LinearProgram program;  // x + 2y <= 4, 3x + y <= 6: x = 1.6, y = 1.2
  const size_t one = program.AddLimit(4), other = program.AddLimit(6);
  program.AddValue(1, {{one, 1}, {other, 3}});
  program.AddValue(1, {{one, 2}, {other, 1}});
  EXPECT_NEAR(program.Solve().value(), 2.8, 1e-9);
}

TEST(LinearProgramTest, WithoutALargestSumSaysSo) {
  LinearProgram program;
  program.AddLimit(1);
  program.AddValue(1, {});
  EXPECT_EQ(program.Solve().status().code(), absl::StatusCode::kInternal);
}

TEST(BoundsTest, CardsThatPodsFillAreNotIdle) {
  const Case of = Read("a,64000,1024,4,A\n", "p,1000,1,1,500,\n");
  EXPECT_NEAR(BoundsOf(of.cluster, of.workload, 100)->idle_pct, 0, 1e-6);
  EXPECT_NEAR(BoundsOf(of.cluster, of.workload, 75)->idle_pct, 25, 1e-6);
}

TEST(BoundsTest, SharesThatDoNotFitTogetherLeaveTheRest) {
  const Case of = Read("a,64000,1024,4,A\n", "p,1000,1,1,600,\n");
  EXPECT_NEAR(BoundsOf(of.cluster, of.workload, 100)->idle_pct, 40, 1e-6);
}

TEST(BoundsTest, CoresCanRunOut) {
  const Case of = Read("a,8000,1024,4,A\n", "p,4000,1,1,1000,\n");
  EXPECT_NEAR(BoundsOf(of.cluster, of.workload, 100)->idle_pct, 50, 1e-6);
  EXPECT_NEAR(CarriedPct(of.cluster, of.workload).value(), 50, 1e-6);
}

TEST(BoundsTest, WithoutFavouritesThePartIsTheSmallestOfAll) {
  // Half of what is asked for wants model B, of which there is a quarter.
  const Case of = Read("a,64000,1024,3,A\nb,64000,1024,1,B\n", "p,1000,1,1,1000,A\nq,1000,1,1,1000,B\n");
  const Bounds bounds = BoundsOf(of.cluster, of.workload, 100).value();
  EXPECT_NEAR(bounds.idle_pct, 25, 1e-6);
  EXPECT_NEAR(bounds.proportional_idle_pct, 50, 1e-6);
}

}  // namespace
}  // namespace xpool::sim
