#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "scheduler/plans/clearing.h"
#include "scheduler/scheduler.h"
#include "scheduler/testing/make.h"

namespace xpool::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::InGang;
using ::testing::IsEmpty;
using testing::MakeNode;
using testing::MakePod;
using testing::Part;
using ::testing::UnorderedElementsAre;
using testing::Whole;

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kHour = 3'600'000'000'000;

class PlansTest : public ::testing::Test {
 protected:
  explicit PlansTest(const char* policy = "bestfit") : scheduler_(MakePolicy(policy, {}).value()) {}

  void Tell(const Event& event) {
    Effects effects;
    const absl::Status status = scheduler_.Apply(event, now_ns_, &effects);
    EXPECT_TRUE(status.ok()) << status;
  }
  // A pod that runs on |node|'s |xpus|.
  void Run(PodSpec pod, const std::string& node, std::vector<uint8_t> xpus) {
    Tell(PodSeen{pod, Binding{node, {{pod.uid + "/xpus", node, {0}, {std::move(xpus)}}}}});
  }
  PodSpec Low(const std::string& uid, Request request) {
    PodSpec pod = MakePod(uid, {std::move(request)});
    pod.preemptible = pod.movable = true;
    return pod;
  }
  void Wait(PodSpec pod) {
    pod.priority = 10;
    Tell(PodSeen{pod, std::nullopt});
    const std::optional<Decision> decision = scheduler_.Decide(now_ns_);
    EXPECT_TRUE(!decision.has_value() || decision->placed.empty());
    now_ns_ += 10 * kSecond;
  }

  int64_t now_ns_ = kHour;
  Scheduler scheduler_;
};

TEST_F(PlansTest, CheapestVictimIsStopped) {
  for (const char* name : {"a", "b"}) Tell(MakeNode(name, 2));
  Run(Low("two", Whole(2)), "a", {0, 1});
  Run(Low("one", Whole(1)), "b", {0});
  PodSpec high = Low("high", Whole(1));
  high.priority = 20;
  Run(high, "b", {1});
  now_ns_ += kHour;
  Wait(MakePod("p", {Whole(1)}));
  const auto advice = scheduler_.PlanEvictions("p", now_ns_);
  ASSERT_TRUE(advice.ok()) << advice.status();
  EXPECT_THAT(advice->victims, ElementsAre("one"));
  EXPECT_THAT(advice->nodes, ElementsAre("b"));
  // The freed place is kept for whom it was freed.
  ASSERT_TRUE(scheduler_.Reserve("p", advice->nodes).ok());
  Tell(PodGone{"one", 2});
  PodSpec thief = MakePod("thief", {Whole(1)});
  thief.priority = 100;
  Tell(PodSeen{thief, std::nullopt});
  EXPECT_THAT(scheduler_.Decide(now_ns_)->placed, IsEmpty());
  const std::optional<Decision> decision = scheduler_.Decide(now_ns_);
  EXPECT_EQ(decision->unit, "p");
  EXPECT_EQ(decision->placed.size(), 1u);
}

TEST_F(PlansTest, WhoHasJustBegunAndWhoMayNotBeStoppedIsLeftAlone) {
  Tell(MakeNode("a", 1));
  Run(Low("new", Whole(1)), "a", {0});
  now_ns_ += kHour / 60;
  Wait(MakePod("p", {Whole(1)}));
  EXPECT_THAT(scheduler_.PlanEvictions("p", now_ns_).status().message(), HasSubstr("would there be room"));
  now_ns_ += kHour;
  EXPECT_TRUE(scheduler_.PlanEvictions("p", now_ns_).ok());
  PodSpec firm = Low("new", Whole(1));
  firm.version = 2;
  firm.preemptible = false;
  Tell(PodSeen{firm, std::nullopt});
  EXPECT_FALSE(scheduler_.PlanEvictions("p", now_ns_).ok());
}

TEST_F(PlansTest, WhoHasJustComeHasNobodyStopped) {
  Tell(MakeNode("a", 1));
  Run(Low("low", Whole(1)), "a", {0});
  now_ns_ += kHour;
  Wait(MakePod("p", {Whole(1)}));
  now_ns_ -= 1;
  EXPECT_THAT(scheduler_.PlanEvictions("p", now_ns_).status().message(), HasSubstr("has not waited long enough"));
  EXPECT_TRUE(scheduler_.PlanEvictions("p", now_ns_ + 1).ok());
}

TEST_F(PlansTest, GangGoesAsAWhole) {
  for (const char* name : {"a", "b", "c"}) Tell(MakeNode(name, 1));
  for (int i = 0; i < 2; ++i) Run(InGang(Low(absl::StrCat("g", i), Whole(1)), "g", 2), i == 0 ? "a" : "b", {0});
  now_ns_ += kHour;
  PodSpec dear = Low("dear", Whole(1));
  dear.priority = 5;
  Run(dear, "c", {0});
  now_ns_ += 10 * kHour;
  for (int i = 0; i < 2; ++i) Wait(InGang(MakePod(absl::StrCat("w", i), {Whole(1)}), "wanted", 2));
  const auto advice = scheduler_.PlanEvictions("wanted", now_ns_);
  ASSERT_TRUE(advice.ok()) << advice.status();
  EXPECT_THAT(advice->victims, UnorderedElementsAre("g0", "g1"));
}

TEST_F(PlansTest, VictimsAreInOneDomain) {
  for (int i = 0; i < 4; ++i) {
    NodeSpec node = MakeNode(absl::StrCat("n", i), 1);
    node.topology = {{"rack", i < 2 ? "r0" : "r1"}};
    Tell(node);
    Run(Low(absl::StrCat("p", i), Whole(1)), node.name, {0});
    if (i == 0 || i == 2) now_ns_ += kHour;  // p0 and the others differ in what they have lost
  }
  now_ns_ += kHour;
  for (int i = 0; i < 2; ++i) Wait(InGang(MakePod(absl::StrCat("w", i), {Whole(1)}), "g", 2, "rack", true));
  const auto advice = scheduler_.PlanEvictions("g", now_ns_);
  ASSERT_TRUE(advice.ok()) << advice.status();
  EXPECT_THAT(advice->victims, UnorderedElementsAre("p2", "p3"));
}

TEST_F(PlansTest, MovesMakeABlockFree) {
  for (const char* name : {"a", "b", "c"}) Tell(MakeNode(name, 2));
  Run(Low("p", Part(50)), "a", {0});
  Run(Low("q", Part(50)), "b", {0});
  Run(Low("r", Part(50)), "c", {0});
  Wait(MakePod("w", {Whole(2)}));
  const auto advice = scheduler_.PlanMoves("w", 1);
  ASSERT_TRUE(advice.ok()) << advice.status();
  ASSERT_EQ(advice->moves.size(), 1u);
  EXPECT_EQ(advice->nodes.size(), 1u);
  EXPECT_NE(advice->moves[0].node, advice->nodes[0]);
  EXPECT_FALSE(scheduler_.PlanMoves("w", 0).ok());
  EXPECT_FALSE(scheduler_.PlanMoves("nobody", 1).ok());
}

class XpoolPlansTest : public PlansTest {
 protected:
  XpoolPlansTest() : PlansTest("xpool") {}

  // Two cards each, of which a has one left, and b none; "big" wants two.
  void WaitForTwo() {
    for (const char* name : {"a", "b"}) Tell(MakeNode(name, 2));
    Run(Low("one", Whole(1)), "a", {0});
    for (uint8_t card = 0; card < 2; ++card) Run(Low(absl::StrCat("b", card), Whole(1)), "b", {card});
    Wait(MakePod("big", {Whole(2)}));
  }
  bool IsSpared(const std::string& node) { return scheduler_.is_spared(*scheduler_.pool().FindNode(node)); }
  std::string Place(const PodSpec& pod) {
    Tell(PodSeen{pod, std::nullopt});
    const std::optional<Decision> decision = scheduler_.Decide(now_ns_);
    return decision.has_value() && !decision->placed.empty() ? decision->placed[0].node : "";
  }
};

TEST_F(XpoolPlansTest, OthersSpareTheNodeThatAPodWaitsForAndAreNotRefused) {
  WaitForTwo();
  EXPECT_TRUE(IsSpared("a"));
  EXPECT_FALSE(IsSpared("b"));
  Tell(PodGone{"b0", 2});
  EXPECT_EQ(Place(MakePod("small", {Whole(1)})), "b");
  EXPECT_EQ(Place(MakePod("other", {Whole(1)})), "a");
}

TEST_F(XpoolPlansTest, NodeIsNotSparedAnyMoreOnceThePodIsPlacedOrGone) {
  WaitForTwo();
  Tell(PodGone{"one", 2});
  EXPECT_EQ(scheduler_.Decide(now_ns_)->placed[0].node, "a");
  EXPECT_FALSE(IsSpared("a"));
  Wait(MakePod("next", {Whole(2)}));
  EXPECT_TRUE(IsSpared("a") || IsSpared("b"));
  Tell(PodGone{"next", 2});
  EXPECT_FALSE(IsSpared("a") || IsSpared("b"));
}

TEST_F(XpoolPlansTest, NodeThatIsGoneIsNotSpared) {
  WaitForTwo();
  Tell(NodeGone{"a", 2});
  Tell(PodGone{"one", 2});
  Tell(MakeNode("c", 1));
  EXPECT_EQ(Place(MakePod("small", {Whole(1)})), "c");
}

TEST_F(PlansTest, PublishedPoliciesSpareNothing) {
  Tell(MakeNode("a", 2));
  Run(Low("one", Whole(1)), "a", {0});
  Wait(MakePod("big", {Whole(2)}));
  EXPECT_FALSE(scheduler_.is_spared(0));
}

// The least cost of any set of units that makes room for one |demand|.
double CheapestByTrying(const PoolState& pool, const Demand& demand, const std::vector<GoingUnit>& units) {
  double best = std::numeric_limits<double>::infinity();
  for (unsigned set = 0; set < 1u << units.size(); ++set) {
    double cost = 0;
    std::vector<PodId> gone;
    for (size_t i = 0; i < units.size(); ++i) {
      if ((set >> i & 1) == 0) continue;
      cost += units[i].cost;
      gone.insert(gone.end(), units[i].pods.begin(), units[i].pods.end());
    }
    for (NodeIndex node = 0; node < pool.nodes().size(); ++node) {
      if (pool.StateWithout(node, gone).Fits(demand)) best = std::min(best, cost);
    }
  }
  return best;
}

TEST(ClearingTest, IsTheCheapestOfAllWaysForOnePlace) {
  std::mt19937 random(3);
  int found = 0;
  for (int round = 0; round < 200; ++round) {
    PoolState pool;
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(pool.SetNode(MakeNode(absl::StrCat("n", i), 2, 4000)).ok());
    std::vector<GoingUnit> units;
    for (int i = 0; i < 12; ++i) {
      const std::string node = absl::StrCat("n", random() % 3);
      const PodSpec pod = MakePod(absl::StrCat("p", i), {Part(static_cast<int64_t>(10 + random() % 30))});
      ASSERT_TRUE(
          pool.SetPod({pod, Binding{node, {{pod.uid + "/xpus", node, {0}, {{static_cast<uint8_t>(random() % 2)}}}}}})
              .ok());
      units.push_back({{*pool.FindPod(pod.uid)}, static_cast<double>(1 + random() % 5)});
    }
    const Demand demand{.cpu_milli = 2000, .cards = {{.count = 1, .compute = Share::FromPercent(90)}}};
    const std::optional<Clearing> clearing =
        FindClearing(pool, TopologyTree(pool), {.demand = demand}, units, 12, [](NodeIndex) { return true; });
    const double best = CheapestByTrying(pool, demand, units);
    ASSERT_TRUE(clearing.has_value());
    EXPECT_EQ(clearing->cost, best) << "round " << round;
    found += best > 0;
  }
  EXPECT_GT(found, 20);
}

}  // namespace
}  // namespace xpool::scheduler
