#include "scheduler/plans/sparing.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "scheduler/plans/reservation.h"
#include "scheduler/testing/make.h"

namespace xpool::scheduler {
namespace {

using testing::kCardBytes;
using testing::MakeNode;
using testing::MakePod;
using testing::Part;
using testing::Whole;

constexpr int64_t kMinute = 60'000'000'000;

class SparingTest : public ::testing::Test {
 protected:
  void Add(const NodeSpec& node) { ASSERT_TRUE(pool_.SetNode(node).ok()); }
  // A pod that runs on the |xpus| of |node|, and ends at |end_ns|.
  void Run(const std::string& node, std::vector<uint8_t> xpus, Request request, int64_t cpu_milli = 1000,
           int64_t end_ns = kNever) {
    request.count = static_cast<int>(xpus.size());
    const PodSpec pod = MakePod(absl::StrCat("p", ++count_), {request}, cpu_milli);
    ASSERT_TRUE(pool_.SetPod({pod, Binding{node, {{pod.uid + "/xpus", node, {0}, {std::move(xpus)}}}}}).ok());
    ends_[*pool_.FindPod(pod.uid)] = end_ns;
  }
  // The node spared for a pod that wants |request|; "": none.
  std::string Spared(const CardRequest& request, int64_t cpu_milli = 1000) {
    const std::optional<NodeIndex> node = NodeToSpare(
        pool_, {.cpu_milli = cpu_milli, .cards = {request}}, 0, [&](NodeIndex node) { return node != refused_; },
        [&](PodId pod) { return ends_.at(pod); });
    return node.has_value() ? pool_.node(*node).name : "";
  }
  static CardRequest Cards(int count, int percent = 100) {
    return {.count = static_cast<uint8_t>(count), .compute = Share::FromPercent(percent)};
  }

  PoolState pool_;
  int count_ = 0;
  absl::flat_hash_map<PodId, int64_t> ends_;
  NodeIndex refused_ = kNobody;
};

TEST_F(SparingTest, NodeWhereTheFewestHaveToEnd) {
  for (const char* name : {"a", "b", "c"}) Add(MakeNode(name, 4));
  for (uint8_t card = 0; card < 3; ++card) Run("a", {card}, Whole(1));
  for (uint8_t card = 0; card < 2; ++card) Run("b", {card}, Whole(1));
  for (uint8_t card = 0; card < 4; ++card) Run("c", {card}, Whole(1));
  EXPECT_EQ(Spared(Cards(4)), "b");
  refused_ = *pool_.FindNode("b");
  EXPECT_EQ(Spared(Cards(4)), "a");
}

TEST_F(SparingTest, CardThatManyShareTakesLonger) {
  for (const char* name : {"a", "b"}) Add(MakeNode(name, 2));
  for (int i = 0; i < 5; ++i) Run("a", {0}, Part(10));
  Run("b", {0}, Part(50));
  EXPECT_EQ(Spared(Cards(2)), "b");
}

TEST_F(SparingTest, PartOfACardNeedsOnlySomeOfThemToEnd) {
  for (const char* name : {"a", "b"}) Add(MakeNode(name, 1));
  for (int i = 0; i < 10; ++i) Run("a", {0}, Part(10));  // any two of ten will do
  Run("b", {0}, Part(90));
  EXPECT_EQ(Spared(Cards(1, 20)), "a");
  EXPECT_EQ(Spared(Cards(1, 100)), "b");
}

TEST_F(SparingTest, WhoSaysWhenHeEndsIsBelieved) {
  for (const char* name : {"a", "b"}) Add(MakeNode(name, 2));
  Run("a", {0}, Whole(1), 1000, 100 * kMinute);
  for (uint8_t card = 0; card < 2; ++card) Run("b", {card}, Whole(1), 1000, kMinute);
  EXPECT_EQ(Spared(Cards(2)), "b");
}

TEST_F(SparingTest, CpuHasToBecomeFreeToo) {
  for (const char* name : {"a", "b"}) Add(MakeNode(name, 2, 10'000));
  for (int i = 0; i < 4; ++i) Run("a", {1}, Part(10), 2000);
  Run("b", {1}, Part(10), 9000);
  EXPECT_EQ(Spared(Cards(1), 9000), "b");  // that one has to end; of the others all but one
  EXPECT_EQ(Spared(Cards(1), 4000), "a");
}

TEST_F(SparingTest, NothingWhereThereWouldNeverBeRoom) {
  Add(MakeNode("a", 2, 8000));
  Run("a", {0}, Whole(1));
  EXPECT_EQ(Spared(Cards(3)), "");
  EXPECT_EQ(Spared(Cards(1), 9000), "");
  CardRequest large = Cards(1);
  large.memory_bytes = kCardBytes + 1;
  EXPECT_EQ(Spared(large), "");
  CardRequest other = Cards(2);
  other.models = ModelSet{1} << 5;
  EXPECT_EQ(Spared(other), "");
  NodeSpec broken = MakeNode("a", 2);
  broken.version = 2;
  broken.xpus[0].healthy = false;
  Add(broken);
  EXPECT_EQ(Spared(Cards(2)), "");
}

}  // namespace
}  // namespace xpool::scheduler
