#include "scheduler/pool/lack.h"

#include <gtest/gtest.h>

namespace xpool::scheduler {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

// Two cards of model 0, the second half in use; 4 cores, 8 GiB.
NodeState Node() {
  NodeState node;
  node.cpu_milli = 4000;
  node.memory_bytes = 8 * kGiB;
  node.AddCard({.idle_bytes = 16 * kGiB, .island = 0});
  node.AddCard({.idle_bytes = 4 * kGiB, .idle = 5000, .island = 1});
  return node;
}

Demand Asking(int count, int percent, uint64_t bytes = 0, ModelSet models = kAnyModel) {
  return {.cpu_milli = 1000,
          .memory_bytes = kGiB,
          .cards = {{.count = static_cast<uint8_t>(count),
                     .compute = Share::FromPercent(percent),
                     .memory_bytes = bytes,
                     .models = models}}};
}

TEST(LackTest, IsWhatIsMissing) {
  EXPECT_EQ(LackOf(Node(), Asking(1, 100)), Lack::kNothing);
  EXPECT_EQ(LackOf(Node(), Asking(1, 10, 0, 0b10)), Lack::kModel);
  EXPECT_EQ(LackOf(Node(), Asking(3, 10)), Lack::kModel);
  EXPECT_EQ(LackOf(Node(), Asking(2, 60)), Lack::kCompute);
  EXPECT_EQ(LackOf(Node(), Asking(2, 50, 8 * kGiB)), Lack::kCardMemory);
  Demand demand = Asking(2, 50);
  demand.cards[0].together = 1;
  EXPECT_EQ(LackOf(Node(), demand), Lack::kConnection);
  demand = Asking(1, 100);
  demand.cpu_milli = 4001;
  EXPECT_EQ(LackOf(Node(), demand), Lack::kCpu);
  demand.cpu_milli = 0;
  demand.memory_bytes = 9 * kGiB;
  EXPECT_EQ(LackOf(Node(), demand), Lack::kMemory);
}

TEST(LackTest, BrokenCardIsOfNoModel) {
  NodeState node;
  node.AddCard({.usable = false});
  EXPECT_EQ(LackOf(node, {.cards = {{.count = 1, .compute = Share::FromPercent(1)}}}), Lack::kModel);
}

TEST(LacksTest, AreToldTheMostFrequentFirst) {
  Lacks lacks;
  EXPECT_EQ(lacks.ToString(), "there is no node");
  lacks[Lack::kModel] = 401;
  lacks[Lack::kMemory] = 812;
  lacks[Lack::kNothing] = 5;
  EXPECT_EQ(lacks.ToString(), "812 nodes lack memory, 401 the model");
  Lacks one;
  one[Lack::kCpu] = 1;
  EXPECT_EQ(one.ToString(), "1 node lacks CPU");
}

}  // namespace
}  // namespace xpool::scheduler
