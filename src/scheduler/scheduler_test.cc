#include "scheduler/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

class SchedulerTest : public ::testing::Test {
 protected:
  Effects Tell(const Event& event) {
    Effects effects;
    const absl::Status status = scheduler_.Apply(event, now_ns_, &effects);
    EXPECT_TRUE(status.ok()) << status;
    return effects;
  }
  Effects Tell(const PodSpec& pod) { return Tell(PodSeen{pod, std::nullopt}); }
  Decision Decide() {
    std::optional<Decision> decision = scheduler_.Decide(now_ns_);
    EXPECT_TRUE(decision.has_value());
    return decision.value_or(Decision());
  }
  std::string NodeOf(const Decision& decision) { return decision.placed.empty() ? "" : decision.placed[0].node; }

  int64_t now_ns_ = kSecond;
  Scheduler scheduler_{MakePolicy("bestfit", {}).value()};
};

TEST_F(SchedulerTest, PodIsPlacedAndWhatItHoldsIsTakenAtOnce) {
  Tell(MakeNode("n", 1));
  Tell(MakePod("a", {Part(60)}));
  Tell(MakePod("b", {Part(60)}));
  const Decision decision = Decide();
  EXPECT_EQ(decision.unit, "a");
  ASSERT_EQ(decision.placed.size(), 1u);
  EXPECT_EQ(decision.placed[0].node, "n");
  ASSERT_EQ(decision.placed[0].claims.size(), 1u);
  EXPECT_EQ(decision.placed[0].claims[0].claim, "a/xpus");
  EXPECT_THAT(decision.placed[0].claims[0].xpus, ElementsAre(ElementsAre(0)));
  EXPECT_THAT(Decide().placed, IsEmpty());
  EXPECT_FALSE(scheduler_.Decide(now_ns_).has_value());
}

TEST_F(SchedulerTest, SaysWhyAPodIsBlocked) {
  Tell(MakeNode("a", 1, 500));
  Tell(MakeNode("b", 1, 500));
  Tell(MakeNode("c", 0));
  NodeSpec cordoned = MakeNode("d", 8);
  cordoned.cordoned = true;
  Tell(cordoned);
  Tell(MakePod("p", {Part(10)}));
  EXPECT_EQ(Decide().why, "2 nodes lack CPU, 1 permission (cordoned, not ready, not selected or tainted), 1 the model");
}

TEST_F(SchedulerTest, BlockedPodIsReadyAgainWhenANodeCanTakeIt) {
  Tell(MakeNode("n", 1));
  Tell(MakePod("a", {Whole(1)}));
  Tell(MakePod("b", {Whole(1)}));
  Decide();
  Decide();
  EXPECT_THAT(Tell(MakeNode("cpu-only", 0)).ready, IsEmpty());
  EXPECT_THAT(Tell(PodGone{"a", 2}).ready, ElementsAre("b"));
  EXPECT_EQ(NodeOf(Decide()), "n");
}

TEST_F(SchedulerTest, OnePlaceWakesOneAndTheNextFollows) {
  for (int i = 0; i < 5; ++i) Tell(MakePod("p" + std::to_string(i), {Whole(1)}));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(NodeOf(Decide()), "");
  EXPECT_THAT(Tell(MakeNode("n", 3)).ready, ElementsAre("p0"));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Decide().unit, "p" + std::to_string(i));
  EXPECT_EQ(NodeOf(Decide()), "");
  EXPECT_FALSE(scheduler_.Decide(now_ns_).has_value());
}

TEST_F(SchedulerTest, HigherPriorityGoesFirst) {
  PodSpec high = MakePod("high", {Part(10)});
  high.priority = 5;
  Tell(MakePod("low", {Part(10)}));
  Tell(high);
  EXPECT_EQ(Decide().unit, "high");
}

TEST_F(SchedulerTest, RejectedPodGivesBackAndSitsOut) {
  Tell(MakeNode("n", 1));
  Tell(MakePod("a", {Whole(1)}));
  Decide();
  EXPECT_THAT(Tell(Rejected{"a", "the node is on fire"}).withdrawn, ElementsAre("a"));
  EXPECT_EQ(scheduler_.pool().nodes()[0].whole_count(), 1);
  EXPECT_FALSE(scheduler_.Decide(now_ns_).has_value());
  now_ns_ = *scheduler_.next_due_ns();
  EXPECT_THAT(Tell(TimePassed()).ready, ElementsAre("a"));
  EXPECT_EQ(NodeOf(Decide()), "n");
}

TEST_F(SchedulerTest, WhatNobodyConfirmsExpires) {
  Tell(MakeNode("n", 1));
  Tell(MakePod("a", {Whole(1)}));
  Tell(MakePod("b", {Whole(1)}));
  Decide();
  Decide();
  now_ns_ += 61 * kSecond;
  EXPECT_THAT(Tell(TimePassed()).withdrawn, ElementsAre("a"));
  EXPECT_EQ(Decide().unit, "b");
  Tell(Confirmed{"b"});
  now_ns_ += 100 * kSecond;
  EXPECT_THAT(Tell(TimePassed()).withdrawn, IsEmpty());
}

TEST_F(SchedulerTest, OldNewsAndNewsTwiceHaveNoEffect) {
  PodSpec pod = MakePod("a", {Whole(1)});
  pod.version = 7;
  Tell(PodGone{"a", 9});  // before it has been heard of
  Tell(pod);
  EXPECT_EQ(scheduler_.waiting(), 0u);
  pod.version = 10;
  Tell(pod);
  Tell(pod);
  EXPECT_EQ(scheduler_.waiting(), 1u);
  NodeSpec node = MakeNode("n", 1);
  node.version = 5;
  Tell(node);
  node.version = 4;
  node.xpus.clear();
  Tell(node);
  EXPECT_EQ(scheduler_.pool().nodes()[0].whole_count(), 1);
}

TEST_F(SchedulerTest, BindingOfANodeThatIsNotKnownYetIsHeldThere) {
  PodSeen foreign{MakePod("a", {Whole(1)}), Binding{"n", {{"a/xpus", "n", {0}, {{1}}}}}};
  Tell(foreign);
  Tell(MakePod("b", {Whole(2)}));
  Tell(MakeNode("n", 2));
  EXPECT_EQ(scheduler_.pool().nodes()[0].whole_count(), 1);
  EXPECT_EQ(NodeOf(Decide()), "");
}

TEST_F(SchedulerTest, ObservedOvercommitIsShownAndNothingIsPlacedThere) {
  Tell(MakeNode("n", 1, 1500));
  for (const char* uid : {"a", "b"})
    Tell(PodSeen{MakePod(uid, {Part(70)}), Binding{"n", {{std::string(uid) + "/xpus", "n", {0}, {{0}}}}}});
  const std::vector<Overcommit> over = scheduler_.pool().Overcommits();
  ASSERT_EQ(over.size(), 1u);
  EXPECT_EQ(over[0].cpu_milli, 500);
  EXPECT_EQ(over[0].cards, 0b1);
  Tell(MakePod("c", {}, 0));
  EXPECT_EQ(NodeOf(Decide()), "");
  Tell(PodGone{"b", 2});
  EXPECT_THAT(scheduler_.pool().Overcommits(), IsEmpty());
  EXPECT_EQ(scheduler_.pool().nodes()[0].cards()[0].idle, 3000);
}

TEST_F(SchedulerTest, SnapshotIsTakenInByDifference) {
  Tell(MakeNode("n", 2));
  Tell(MakeNode("old", 2));
  Tell(MakePod("a", {Whole(1)}));
  Tell(MakePod("b", {Whole(1)}));
  Decide();
  Decide();
  PodSpec newer = MakePod("newer", {Whole(1)});
  newer.version = 50;  // came after the list was made
  Tell(newer);
  Snapshot snapshot{.version = 40, .nodes = {MakeNode("n", 2)}, .claims = {}, .pods = {}};
  snapshot.pods.push_back({MakePod("b", {Whole(1)}), std::nullopt});
  Tell(snapshot);
  EXPECT_FALSE(scheduler_.pool().FindPod("a").has_value());
  EXPECT_TRUE(scheduler_.pool().FindPod("newer").has_value());
  const std::optional<NodeIndex> old = scheduler_.pool().FindNode("old");
  EXPECT_TRUE(!old.has_value() || !scheduler_.pool().node_exists(*old));
  EXPECT_TRUE(scheduler_.pool().FindPod("b").has_value());
}

TEST_F(SchedulerTest, FirstAlternativeThatCanBeServedIsTaken) {
  Tell(MakeNode("n", 4, 64'000, "small"));
  PodSpec pod = MakePod("a", {Whole(1)});
  Request large = Whole(1), two = Whole(2);
  large.models = {"large"};
  two.models = {"small"};
  pod.claims[0].requests = {{large, two}};
  Tell(pod);
  const Decision decision = Decide();
  ASSERT_EQ(decision.placed.size(), 1u);
  EXPECT_THAT(decision.placed[0].claims[0].alternatives, ElementsAre(1));
  EXPECT_THAT(decision.placed[0].claims[0].xpus, ElementsAre(ElementsAre(0, 1)));
}

TEST_F(SchedulerTest, SharedClaimKeepsItsPodsTogether) {
  Tell(MakeNode("a", 1));
  Tell(MakeNode("b", 1, 128'000));
  PodSpec one = MakePod("one", {}), two = MakePod("two", {});
  one.shared_claims = two.shared_claims = {"shared"};
  Tell(one);
  EXPECT_FALSE(scheduler_.Decide(now_ns_).has_value());  // the claim is not known yet
  Tell(ClaimSeen{{.uid = "shared", .requests = {{Part(80)}}}, 1, std::nullopt});
  const std::string node = NodeOf(Decide());
  Tell(two);
  EXPECT_EQ(NodeOf(Decide()), node);
  Tell(PodGone{"one", 2});
  EXPECT_EQ(scheduler_.pool().nodes()[*scheduler_.pool().FindNode(node)].cards()[0].idle, 2000);
  Tell(PodGone{"two", 2});
  EXPECT_EQ(scheduler_.pool().nodes()[*scheduler_.pool().FindNode(node)].cards()[0].idle, 10'000);
}

TEST_F(SchedulerTest, SaysWhichNodeOfASharedClaimIsFull) {
  Tell(MakeNode("a", 1, 1500));
  PodSpec one = MakePod("one", {}), two = MakePod("two", {});
  one.shared_claims = two.shared_claims = {"shared"};
  Tell(ClaimSeen{{.uid = "shared", .requests = {{Part(80)}}}, 1, std::nullopt});
  Tell(one);
  Tell(two);
  Decide();
  EXPECT_EQ(Decide().why, "node a, where a claim that it shares is, lacks CPU");
}

TEST_F(SchedulerTest, GangThatSomebodyElseHasStartedFollowsOneByOne) {
  Tell(MakeNode("a", 1));
  for (int i = 0; i < 3; ++i) Tell(InGang(MakePod("m" + std::to_string(i), {Whole(1)}), "g", 3));
  EXPECT_THAT(Decide().placed, IsEmpty());
  PodSpec member = InGang(MakePod("m0", {Whole(1)}), "g", 3);
  member.version = 2;
  Tell(PodSeen{member, Binding{"a", {{"m0/xpus", "a", {0}, {{0}}}}}});
  EXPECT_EQ(Decide().unit, "m1");
  Tell(MakeNode("b", 2));
  EXPECT_EQ(NodeOf(Decide()), "b");
}

TEST_F(SchedulerTest, RemoteClaimTakesItsXpusOnAnotherNode) {
  Tell(MakeNode("cards", 2, 1000));
  Tell(MakeNode("cores", 0, 64'000));
  PodSpec pod = MakePod("a", {Part(50)}, 8000);
  Tell(pod);
  EXPECT_EQ(NodeOf(Decide()), "");
  pod = MakePod("b", {Part(50)}, 8000);
  pod.claims[0].locality = Locality::kAny;
  Tell(pod);
  const Decision decision = Decide();
  ASSERT_EQ(decision.placed.size(), 1u);
  EXPECT_EQ(decision.placed[0].node, "cores");
  EXPECT_EQ(decision.placed[0].claims[0].node, "cards");
  EXPECT_EQ(scheduler_.pool().nodes()[*scheduler_.pool().FindNode("cards")].cpu_milli, 500);  // less a worker's
}

TEST_F(SchedulerTest, CardsAreTakenOverTheNetworkWhereThatLeavesLessIdle) {
  // On the node with cards one pod would take all cores and strand three cards; there are cores elsewhere.
  Demand lent{500, 0, {{.count = 1, .compute = Share::Full()}}}, rest{7600, 0, {}};
  const Mix mix{{{lent, 1}, {rest, 1}}};
  Tell(MakeNode("cards", 4, 8000));
  Tell(MakeNode("cores", 0, 64'000));
  scheduler_.SetPolicy(MakePolicy("xpool", {mix, scheduler_.MakeOutlook().groups}).value());
  for (int i = 0; i < 4; ++i) {
    PodSpec pod = MakePod("p" + std::to_string(i), {Whole(1)}, 7600);
    pod.claims[0].locality = Locality::kAny;
    Tell(pod);
    EXPECT_EQ(NodeOf(Decide()), "cores");
  }
}

TEST_F(SchedulerTest, GangIsPlacedWholeOrNotAtAll) {
  Tell(MakeNode("n", 3));
  for (int i = 0; i < 4; ++i) Tell(InGang(MakePod("m" + std::to_string(i), {Whole(1)}), "g", 4));
  Decision decision = Decide();
  EXPECT_TRUE(decision.is_gang);
  EXPECT_THAT(decision.placed, IsEmpty());
  EXPECT_THAT(decision.why, HasSubstr("3 of 4 members fit"));
  EXPECT_EQ(scheduler_.pool().nodes()[0].whole_count(), 3);
  EXPECT_THAT(Tell(MakeNode("m", 1)).ready, ElementsAre("g"));
  decision = Decide();
  EXPECT_EQ(decision.placed.size(), 4u);
  EXPECT_EQ(decision.domain, "the whole pool");
}

TEST_F(SchedulerTest, GangWaitsForItsMembers) {
  Tell(MakeNode("n", 4));
  for (int i = 0; i < 3; ++i) Tell(InGang(MakePod("m" + std::to_string(i), {Whole(1)}), "g", 4));
  EXPECT_FALSE(scheduler_.Decide(now_ns_).has_value());
  Tell(InGang(MakePod("m3", {Whole(1)}), "g", 4));
  EXPECT_EQ(Decide().placed.size(), 4u);
}

TEST_F(SchedulerTest, RejectedMemberRollsTheGangBack) {
  Tell(MakeNode("n", 4));
  for (int i = 0; i < 4; ++i) Tell(InGang(MakePod("m" + std::to_string(i), {Whole(1)}), "g", 4));
  Decide();
  Tell(Confirmed{"m0"});
  EXPECT_THAT(Tell(Rejected{"m1", "no"}).withdrawn, UnorderedElementsAre("m0", "m1", "m2", "m3"));
  EXPECT_EQ(scheduler_.pool().nodes()[0].whole_count(), 3);  // m0 runs until it has been stopped
  Tell(PodGone{"m0", 2});
  EXPECT_EQ(scheduler_.pool().nodes()[0].whole_count(), 4);
  now_ns_ += 2 * kSecond;
  Tell(TimePassed());
  EXPECT_FALSE(scheduler_.Decide(now_ns_).has_value());  // three are too few
  Tell(InGang(MakePod("m4", {Whole(1)}), "g", 4));
  EXPECT_EQ(Decide().placed.size(), 4u);
}

TEST_F(SchedulerTest, MemberOfARunningGangThatLostItsCardIsReplacedInItsDomain) {
  for (int rack = 0; rack < 2; ++rack) {
    for (int i = 0; i < 2; ++i) {
      NodeSpec node = MakeNode("r" + std::to_string(rack) + "n" + std::to_string(i), 2, rack == 0 ? 32'000 : 64'000);
      node.topology = {{"rack", "r" + std::to_string(rack)}};
      Tell(node);
    }
  }
  for (int i = 0; i < 3; ++i) Tell(InGang(MakePod("m" + std::to_string(i), {Whole(1)}), "g", 3, "rack", true));
  const Decision decision = Decide();
  ASSERT_EQ(decision.placed.size(), 3u);
  for (const Placed& placed : decision.placed) Tell(Confirmed{placed.pod});
  const Placed& lost = decision.placed[0];
  NodeSpec broken = scheduler_.pool().node(*scheduler_.pool().FindNode(lost.node));
  broken.version = 2;
  broken.xpus[lost.claims[0].xpus[0][0]].healthy = false;
  EXPECT_THAT(Tell(broken).broken, ElementsAre(lost.pod));
  Tell(PodGone{lost.pod, 5});
  PodSpec again = InGang(MakePod("again", {Whole(1)}), "g", 3, "rack", true);
  Tell(again);
  const Decision replacement = Decide();
  ASSERT_EQ(replacement.placed.size(), 1u);
  EXPECT_EQ(replacement.placed[0].node.substr(0, 2), lost.node.substr(0, 2));
}

TEST_F(SchedulerTest, QueueWithoutQuotaLeftWaitsUntilItHasSome) {
  Tell(MakeNode("n", 4));
  Tell(QueueSpec{.name = "q", .weight = 1, .quota_compute_milli = 1500});
  for (int i = 0; i < 3; ++i) {
    PodSpec pod = MakePod("p" + std::to_string(i), {Whole(1)});
    pod.queue = "q";
    Tell(pod);
  }
  Tell(MakePod("other", {Whole(1)}));
  EXPECT_EQ(NodeOf(Decide()), "n");
  EXPECT_EQ(Decide().why, "queue \"q\" has used up its quota");
  EXPECT_EQ(Decide().unit, "p2");
  EXPECT_EQ(NodeOf(Decide()), "n");  // other
  EXPECT_FALSE(scheduler_.Decide(now_ns_).has_value());
  EXPECT_THAT(Tell(PodGone{"p0", 2}).ready, ElementsAre("p1"));
  EXPECT_EQ(NodeOf(Decide()), "n");
}

TEST_F(SchedulerTest, NodesAreKeptForAGangThatWaitsAndBackfilledMeanwhile) {
  PodSpec running = MakePod("running", {Whole(1)});
  running.duration_ns = 100 * kSecond;
  Tell(MakeNode("a", 1));
  Tell(MakeNode("b", 1));
  Tell(running);
  Decide();
  Tell(Confirmed{"running"});
  for (int i = 0; i < 2; ++i) Tell(InGang(MakePod("m" + std::to_string(i), {Whole(1)}), "g", 2));
  EXPECT_EQ(Decide().placed.size(), 0u);
  now_ns_ += 61 * kSecond;
  Tell(InGang(MakePod("m2", {Whole(1)}), "g", 2));  // has it tried again
  EXPECT_EQ(Decide().placed.size(), 0u);
  PodSpec small = MakePod("long", {Whole(1)});
  Tell(small);
  EXPECT_THAT(Decide().why, HasSubstr("a place: reserved"));
  small = MakePod("short", {Whole(1)});
  small.duration_ns = 10 * kSecond;
  Tell(small);
  EXPECT_NE(NodeOf(Decide()), "");
  Tell(PodGone{"short", 2});
  Tell(PodGone{"running", 2});
  EXPECT_EQ(Decide().placed.size(), 2u);
}

TEST_F(SchedulerTest, TaintsAndSelectorsAreRespected) {
  NodeSpec tainted = MakeNode("tainted", 1), labelled = MakeNode("labelled", 1);
  tainted.taints = {{"team", "vision"}};
  labelled.labels = {{"zone", "b"}};
  Tell(tainted);
  Tell(labelled);
  PodSpec pod = MakePod("a", {Whole(1)});
  pod.node_selector = {{"zone", "c"}};
  Tell(pod);
  EXPECT_EQ(NodeOf(Decide()), "");
  pod = MakePod("b", {Whole(1)});
  pod.tolerations = {{"team", ""}};
  pod.node_selector = {};
  Tell(pod);
  EXPECT_NE(NodeOf(Decide()), "");
  labelled.version = 2;
  labelled.labels = {{"zone", "c"}};
  const bool b_is_there = !scheduler_.pool().pods_on(*scheduler_.pool().FindNode("labelled")).empty();
  EXPECT_THAT(Tell(labelled).ready, b_is_there ? ::testing::Matcher<std::vector<std::string>>(IsEmpty())
                                               : ::testing::Matcher<std::vector<std::string>>(ElementsAre("a")));
}

TEST_F(SchedulerTest, NonsenseIsRefused) {
  Effects effects;
  EXPECT_THAT(scheduler_.Apply(MakeNode("n", 17), 0, &effects).message(), HasSubstr("17 XPUs; 16 are possible"));
  PodSpec pod = MakePod("p", {Part(0)});
  EXPECT_THAT(scheduler_.Apply(PodSeen{pod, {}}, 0, &effects).message(), HasSubstr("more than 0%"));
  pod = MakePod("", {});
  EXPECT_THAT(scheduler_.Apply(PodSeen{pod, {}}, 0, &effects).message(), HasSubstr("needs a uid"));
}

}  // namespace
}  // namespace xpool::scheduler
