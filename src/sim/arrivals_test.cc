#include "sim/arrivals.h"

#include <gtest/gtest.h>

#include <set>

namespace xpool::sim {
namespace {

struct Lab {
  Cluster cluster = ParseNodes("sn,cpu_milli,memory_mib,gpu,model\na,1,1,4,T4\nb,1,1,4,T4\nc,1,1,0,\n", "n").value();
  Workload workload = ParsePods("name,cpu_milli,memory_mib,num_gpu,gpu_milli\np,1,1,1,500\nq,1,1,1,1000\nr,1,1,0,0\n",
                                "p", &cluster.models)
                          .value();
};

TEST(ArrivalsTest, AllPodsComeOnceBeforeAnyComesAgain) {
  const Lab lab;
  const Arrivals arrivals = DrawArrivals(lab.cluster, lab.workload, 5, 130);
  ASSERT_GT(arrivals.pods.size(), 3u);
  EXPECT_EQ(std::set<uint32_t>(arrivals.pods.begin(), arrivals.pods.begin() + 3), (std::set<uint32_t>{0, 1, 2}));
  EXPECT_EQ(std::set<uint32_t>(arrivals.rank.begin(), arrivals.rank.end()), (std::set<uint32_t>{0, 1, 2}));
}

TEST(ArrivalsTest, AsMuchIsAskedForAsWanted) {
  const Lab lab;
  int64_t milli = 0;
  for (const uint32_t pod : DrawArrivals(lab.cluster, lab.workload, 5, 130).pods)
    milli += lab.workload.pods[pod].compute_milli();
  EXPECT_GE(milli, 10'400);
  EXPECT_LT(milli, 11'400);
}

TEST(ArrivalsTest, SeedDecides) {
  const Lab lab;
  EXPECT_EQ(DrawArrivals(lab.cluster, lab.workload, 7, 130).pods, DrawArrivals(lab.cluster, lab.workload, 7, 130).pods);
  EXPECT_NE(DrawArrivals(lab.cluster, lab.workload, 7, 1300).pods,
            DrawArrivals(lab.cluster, lab.workload, 8, 1300).pods);
}

TEST(ArrivalsTest, PodsWithoutCardsFillNothing) {
  Lab lab;
  lab.workload.pods = {lab.workload.pods[2]};
  EXPECT_TRUE(DrawArrivals(lab.cluster, lab.workload, 1, 130).pods.empty());
}

}  // namespace
}  // namespace xpool::sim
