#include "sim/generate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "sim/openb.h"

namespace xpool::sim {
namespace {

using ::testing::HasSubstr;

class GenerateTest : public ::testing::TestWithParam<const char*> {};

TEST_P(GenerateTest, MakesTheSameOfTheSameSeedAndItCanBeReadBack) {
  const Generated one = Generate(GetParam(), {.cards = 400, .seed = 5}).value(),
                  same = Generate(GetParam(), {.cards = 400, .seed = 5}).value(),
                  other = Generate(GetParam(), {.cards = 400, .seed = 6}).value();
  EXPECT_EQ(PrintPods(one.pods), PrintPods(same.pods));
  EXPECT_NE(PrintPods(one.pods), PrintPods(other.pods));
  const absl::StatusOr<Cluster> cluster = ParseNodes(PrintNodes(one.nodes), "n");
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  EXPECT_NEAR(static_cast<double>(cluster->compute_milli()) / 1000, 400, 40);
  scheduler::KindTable models;
  const absl::StatusOr<Workload> workload = ParsePods(PrintPods(one.pods), "p", &models);
  ASSERT_TRUE(workload.ok()) << workload.status();
  int64_t asked = 0;
  for (const scheduler::Demand& pod : workload->pods) asked += pod.compute_milli();
  EXPECT_GT(asked, cluster->compute_milli() * 13 / 10);
}

INSTANTIATE_TEST_SUITE_P(Kinds, GenerateTest, ::testing::Values("mixed", "openb-like", "superpod"),
                         [](const auto& info) { return std::string(info.param).substr(0, 5); });

TEST(GenerateSuperPodTest, HasCabinetsAndWholeGangs) {
  const Generated made = Generate("superpod", {.seed = 1}).value();
  EXPECT_EQ(made.nodes.size(), 15'488u / 8);
  std::set<std::string> cabinets;
  for (const scheduler::NodeSpec& node : made.nodes) cabinets.insert(node.topology[1].name);
  EXPECT_EQ(cabinets.size(), 176u);
  std::map<std::string, int> members;
  for (const scheduler::PodSpec& pod : made.pods) members[pod.gang.name] += pod.gang.min_members > 0;
  for (const scheduler::PodSpec& pod : made.pods) EXPECT_EQ(members[pod.gang.name], pod.gang.min_members);
}

TEST(GenerateErrorsTest, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(Generate("small", {}).status().message(), HasSubstr("there are mixed, openb-like, superpod"));
  EXPECT_THAT(Generate("mixed", {.cards = -1}).status().message(), HasSubstr("at most"));
}

}  // namespace
}  // namespace xpool::sim
