#include "sim/openb.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xpool::sim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kNodes[] =
    "sn,cpu_milli,memory_mib,gpu,model\n"
    "b,64000,1024,2,P100\r\n"
    "a,96000,2048,0,\n";
constexpr char kPods[] =
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos\n"
    "p2,1000,16,1,460,T4|P100,LS\n"
    "p1,2000,32,2,1000,,BE\n"
    "p3,1000,99,1,460,T4|P100,LS\n";

std::string NodesError(const std::string& text) { return std::string(ParseNodes(text, "n.csv").status().message()); }
std::string PodsError(const std::string& row) {
  scheduler::KindTable models;
  const std::string text = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n" + row + "\n";
  return std::string(ParsePods(text, "p.csv", &models).status().message());
}
std::string EventsError(const std::string& text) {
  return std::string(ParseEvents(text, "e.txt", 3, 2).status().message());
}

TEST(OpenbTest, NodesComeInTheOrderOfTheirNames) {
  const absl::StatusOr<Cluster> cluster = ParseNodes(kNodes, "n.csv");
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  ASSERT_EQ(cluster->specs.size(), 2u);
  EXPECT_EQ(cluster->specs[0].name, "a");
  EXPECT_EQ(cluster->specs[1].name, "b");
  EXPECT_EQ(cluster->nodes[0].cards().size(), 0u);
  EXPECT_EQ(cluster->nodes[1].cards().size(), 2u);
  EXPECT_EQ(cluster->nodes[1].memory_bytes, int64_t{1} << 30);
  EXPECT_EQ(cluster->compute_milli(), 2000);
}

TEST(OpenbTest, PodsAskForWhatTheRowSays) {
  Cluster cluster = *ParseNodes(kNodes, "n.csv");
  const absl::StatusOr<Workload> workload = ParsePods(kPods, "p.csv", &cluster.models);
  ASSERT_TRUE(workload.ok()) << workload.status();
  ASSERT_EQ(workload->specs.size(), 3u);
  EXPECT_EQ(workload->specs[0].uid, "p1");
  EXPECT_EQ(workload->specs[2].uid, "p3");
  EXPECT_EQ(workload->pods[0].cards[0].count, 2);
  EXPECT_TRUE(workload->pods[0].cards[0].whole());
  EXPECT_EQ(workload->pods[1].cards[0].compute, Share::FromPercent(46));
  EXPECT_EQ(workload->pods[1].cards[0].models, 0b11u);  // P100 was there, T4 is new
  ASSERT_EQ(workload->mix.types.size(), 2u);            // memory makes no type of its own
  EXPECT_EQ(workload->mix.types[1].count, 2);
}

TEST(OpenbTest, BadNodesAreNamedByLine) {
  EXPECT_THAT(NodesError("sn,cpu,memory_mib,gpu,model\n"), HasSubstr("n.csv line 1: column 2 must be \"cpu_milli\""));
  EXPECT_THAT(NodesError(""), HasSubstr("the header line is missing"));
  const std::string header = "sn,cpu_milli,memory_mib,gpu,model\n";
  EXPECT_THAT(NodesError(header + "a,1,1,17,T4\n"),
              HasSubstr("line 2: gpu is \"17\", and must be a whole number from 0 to 16"));
  EXPECT_THAT(NodesError(header + "a,-1,1,1,T4\n"), HasSubstr("cpu_milli is \"-1\""));
  EXPECT_THAT(NodesError(header + "a,99999999999999999999,1,1,T4\n"), HasSubstr("cpu_milli"));
  EXPECT_THAT(NodesError(header + "a,1,1,1,\n"), HasSubstr("the model of its cards is missing"));
  EXPECT_THAT(NodesError(header + ",1,1,1,T4\n"), HasSubstr("the name is missing"));
  EXPECT_THAT(NodesError(header + "a,1,1,1,T4\n\na,1,1,1,T4\n"), HasSubstr("line 4: the name a is there twice"));
  EXPECT_THAT(NodesError(header + "a,1,1\n"), HasSubstr("line 2: it has 3 cells, and the header 5"));
}

TEST(OpenbTest, BadPodsAreNamedByLine) {
  EXPECT_THAT(PodsError("a,1,1,2,500,"), HasSubstr("a pod with 2 cards takes whole ones, and gpu_milli is 500"));
  EXPECT_THAT(PodsError("a,1,1,1,0,"), HasSubstr("gpu_milli is \"0\", and must be a whole number from 1 to 1000"));
  EXPECT_THAT(PodsError("a,1,1,1,1001,"), HasSubstr("gpu_milli"));
  EXPECT_THAT(PodsError("a,1,1,1,1000,T4||P100"), HasSubstr("is no list of models"));
  EXPECT_THAT(PodsError("a,1.5,1,1,1000,"), HasSubstr("cpu_milli is \"1.5\""));
}

TEST(OpenbTest, OptionalColumnsAreReadAndWrittenBack) {
  const std::string nodes =
      "sn,cpu_milli,memory_mib,gpu,model,gpu_memory_mib,islands,topology\n"
      "n,64000,1024,4,H200,144384,2,supernode=s0/cabinet=c3\n";
  const absl::StatusOr<Cluster> cluster = ParseNodes(nodes, "n.csv");
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  EXPECT_EQ(PrintNodes(cluster->specs), nodes);
  EXPECT_EQ(cluster->nodes[0].cards()[1].island, 0);
  EXPECT_EQ(cluster->nodes[0].cards()[2].island, 1);
  const std::string pods =
      "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,gpu_memory_mib,gang,gang_size,level,required,priority,"
      "preemptible,locality,duration_s\n"
      "a,1000,1024,2,1000,H200|A100,1024,g,4,cabinet,1,7,1,local,3600\n"
      "b,1000,1024,1,300,,512,,0,,0,0,0,any,60\n"
      "c,1000,1024,0,0,,0,,0,,0,0,0,,0\n";
  scheduler::KindTable models;
  const absl::StatusOr<Workload> workload = ParsePods(pods, "p.csv", &models);
  ASSERT_TRUE(workload.ok()) << workload.status();
  EXPECT_EQ(PrintPods(workload->specs), pods);
}

TEST(OpenbTest, BadOptionalCellsAreNamedByLine) {
  const std::string header = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,locality,gang,gang_size\n";
  scheduler::KindTable models;
  EXPECT_THAT(ParsePods(header + "a,1,1,1,1000,near,,\n", "p.csv", &models).status().message(),
              HasSubstr("p.csv line 2: locality is \"near\", and must be local, remote or any"));
  EXPECT_THAT(ParsePods(header + "a,1,1,1,1000,,g,0\n", "p.csv", &models).status().message(),
              HasSubstr("line 2: pod \"a\": a gang needs 1 to"));
  EXPECT_THAT(ParseNodes("sn,cpu_milli,memory_mib,gpu,model,topology\nn,1,1,1,A,rack\n", "n.csv").status().message(),
              HasSubstr("line 2: topology: \"rack\" is not LEVEL=NAME"));
}

TEST(OpenbTest, EventsMustFitTheLists) {
  const auto events = ParseEvents("42;pods;0 2 1\n42;noderank;1 0\n", "e.txt", 3, 2);
  ASSERT_TRUE(events.ok()) << events.status();
  EXPECT_THAT(events->at(42).pods, ElementsAre(0, 2, 1));
  EXPECT_THAT(events->at(42).rank, ElementsAre(1, 0));
  EXPECT_THAT(EventsError("42;pods;3\n"), HasSubstr("e.txt line 1: \"3\" must be a whole number below 3"));
  EXPECT_THAT(EventsError("42;noderank;0 0\n"), HasSubstr("each of 2 nodes must have a rank of its own"));
  EXPECT_THAT(EventsError("42;pods;0\n"), HasSubstr("seed 42 has no noderank line"));
  EXPECT_THAT(EventsError("42;nodes;0\n"), HasSubstr("it must be SEED;pods;NUMBERS or SEED;noderank;NUMBERS"));
}

}  // namespace
}  // namespace xpool::sim
