// The scheduler under random events, in any order and twice: whatever happens, it never hands out more than there is,
// nobody who could be placed is left waiting, gangs are whole, and the same events give the same decisions.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "scheduler/scheduler.h"
#include "scheduler/testing/make.h"

namespace xpool::scheduler {
namespace {

using testing::InGang;
using testing::kCardBytes;
using testing::MakeNode;
using testing::MakePod;

constexpr int64_t kSecond = 1'000'000'000;

// A pool and those who use it, drawn from a seed: nodes come, shrink, break and go, pods come, are confirmed or
// rejected, and go.
class World {
 public:
  explicit World(uint64_t seed, const char* policy)
      : random_(seed), scheduler_(MakePolicy(policy, {}).value(), {.decisions_between_looks = 7}) {}

  void Step() {
    now_ns_ += static_cast<int64_t>(Below(5)) * kSecond;
    switch (Below(12)) {
      case 0:
        return SetNode();
      case 1:
        return Tell(NodeGone{NodeName(), ++version_});
      case 2:
        return Relist();
      case 3:
        return Tell(TimePassed());
      case 4:
      case 5:
        return GoSomeone();
      case 6:
        return NewGang();
      case 7:
        return Tell(last_);  // once more
      default:
        return NewPod();
    }
  }

  // Decides until nothing is worth a try, and answers each decision in some way.
  void Settle() {
    for (int i = 0; i < 1000; ++i) {
      const std::optional<Decision> decision = scheduler_.Decide(now_ns_);
      if (!decision.has_value()) return;
      log_ += absl::StrCat(decision->unit, ":");
      for (const Placed& placed : decision->placed) absl::StrAppend(&log_, placed.pod, "@", placed.node, ",");
      CheckWhole(*decision);
      for (const Placed& placed : decision->placed) {
        const uint64_t fate = Below(10);
        if (fate < 7) Tell(Confirmed{placed.pod});
        if (fate == 7) Tell(Rejected{placed.pod, "so it is"});
        // else it will expire
      }
      ASSERT_LT(i, 999) << "it never settles";
    }
  }

  void CheckNothingIsHandedOutTwice() {
    const PoolState& pool = scheduler_.pool();
    for (const Overcommit& over : pool.Overcommits())
      EXPECT_TRUE(shrank_.contains(pool.node(over.node).name)) << pool.node(over.node).name;
  }

  // By looking at every node.
  void CheckNobodyIsForgotten() {
    const PoolState& pool = scheduler_.pool();
    ASSERT_EQ(scheduler_.ready(), 0u);
    for (const auto& [uid, spec] : pods_) {
      const std::optional<PodId> pod = pool.FindPod(uid);
      if (!pod.has_value() || pool.pod(*pod).phase != PodPhase::kPending || !spec.gang.name.empty()) continue;
      for (const Attempt& attempt : AttemptsOf(pool, *pod)) {
        for (NodeIndex node = 0; node < pool.nodes().size(); ++node) {
          const bool may = pool.node_exists(node) && !scheduler_.is_reserved(node) &&
                           MayComeTo(pool.node(node), spec.node_selector, spec.tolerations);
          EXPECT_FALSE(may && pool.nodes()[node].Fits(attempt.local)) << uid << " fits on " << pool.node(node).name;
        }
      }
    }
  }

  void WakeAll() {
    // Whoever sits out comes back, so that only what is blocked is left.
    while (scheduler_.next_due_ns().has_value()) {
      now_ns_ = std::max(now_ns_, *scheduler_.next_due_ns());
      Tell(TimePassed());
      for (;;) {
        const std::optional<Decision> decision = scheduler_.Decide(now_ns_);
        if (!decision.has_value()) break;
        for (const Placed& placed : decision->placed) Tell(Confirmed{placed.pod});
      }
    }
  }

  const std::string& log() const { return log_; }

 private:
  uint64_t Below(uint64_t end) { return random_() % end; }
  std::string NodeName() { return absl::StrCat("n", Below(12)); }

  void Tell(const Event& event) {
    last_ = event;
    Effects effects;
    const absl::Status status = scheduler_.Apply(event, now_ns_, &effects);
    EXPECT_TRUE(status.ok()) << status;
  }

  void SetNode() {
    NodeSpec node = MakeNode(NodeName(), static_cast<int>(Below(5)), static_cast<int64_t>(Below(20)) * 1000,
                             Below(3) == 0 ? "B" : "A");
    node.version = ++version_;
    node.topology = {{"rack", absl::StrCat("r", Below(3))}};
    node.cordoned = Below(8) == 0;
    if (Below(6) == 0) node.taints = {{"t", "1"}};
    for (XpuSpec& xpu : node.xpus) xpu.healthy = Below(10) != 0;
    shrank_.insert(node.name);
    Tell(node);
  }

  void Relist() {
    Snapshot snapshot{.version = version_, .nodes = {}, .claims = {}, .pods = {}};
    const PoolState& pool = scheduler_.pool();
    for (NodeIndex node = 0; node < pool.nodes().size(); ++node) {
      if (pool.node_exists(node) && Below(10) != 0) snapshot.nodes.push_back(pool.node(node));
    }
    for (const auto& [uid, spec] : pods_) {
      if (pool.FindPod(uid).has_value() && Below(10) != 0) snapshot.pods.push_back({spec, std::nullopt});
    }
    Tell(snapshot);
  }

  void GoSomeone() {
    if (pods_.empty()) return;
    auto pod = std::next(pods_.begin(), static_cast<std::ptrdiff_t>(Below(pods_.size())));
    Tell(PodGone{pod->first, ++version_});
    pods_.erase(pod);
  }

  PodSpec DrawPod() {
    std::vector<Request> requests;
    const uint64_t kind = Below(4);
    if (kind == 1) requests = {testing::Part(static_cast<int64_t>(10 + Below(80)), Below(kCardBytes))};
    if (kind == 2) requests = {testing::Whole(static_cast<int>(1 + Below(3)))};
    if (kind == 3) requests = {testing::Part(50), testing::Part(static_cast<int64_t>(10 + Below(60)))};
    PodSpec pod = MakePod(absl::StrCat("p", ++pod_count_), std::move(requests), static_cast<int64_t>(Below(6)) * 1000);
    pod.version = ++version_;
    pod.priority = static_cast<int32_t>(Below(3));
    if (!pod.claims.empty() && Below(5) == 0) pod.claims[0].requests[0][0].models = {"B"};
    if (Below(5) == 0) pod.tolerations = {{"t", ""}};
    return pod;
  }

  void NewPod() {
    const PodSpec pod = DrawPod();
    pods_[pod.uid] = pod;
    Tell(PodSeen{pod, std::nullopt});
  }

  void NewGang() {
    const auto members = static_cast<int>(2 + Below(4));
    const std::string name = absl::StrCat("g", ++pod_count_);
    const PodSpec like = DrawPod();
    const bool required = Below(2) == 0;
    for (int i = 0; i < members; ++i) {
      PodSpec pod = InGang(like, name, members, "rack", required);
      pod.uid = absl::StrCat(name, "m", i);
      for (ClaimSpec& claim : pod.claims) claim.uid = pod.uid + "/xpus";
      pods_[pod.uid] = pod;
      Tell(PodSeen{pod, std::nullopt});
    }
  }

  void CheckWhole(const Decision& decision) {
    if (!decision.is_gang || decision.placed.empty()) return;
    const GangSpec& gang = pods_.at(decision.placed[0].pod).gang;
    EXPECT_GE(static_cast<int>(decision.placed.size()), gang.min_members);
    std::set<std::string> racks;
    for (const Placed& placed : decision.placed) {
      const PoolState& pool = scheduler_.pool();
      racks.insert(pool.node(*pool.FindNode(placed.node)).topology[0].name);
    }
    EXPECT_TRUE(!gang.required || racks.size() == 1) << decision.unit;
  }

  std::mt19937_64 random_;
  Scheduler scheduler_;
  int64_t now_ns_ = kSecond;
  uint64_t version_ = 0;
  int pod_count_ = 0;
  std::map<std::string, PodSpec> pods_;
  std::set<std::string> shrank_;
  Event last_ = TimePassed();
  std::string log_;
};

class SchedulerPropertyTest : public ::testing::TestWithParam<uint64_t> {};

TEST_P(SchedulerPropertyTest, KeepsItsPromises) {
  for (uint64_t seed = GetParam(); seed < GetParam() + 10; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    World world(seed, "xpool");
    for (int step = 0; step < 400 && !HasFatalFailure(); ++step) {
      world.Step();
      world.Settle();
      world.CheckNothingIsHandedOutTwice();
    }
    world.WakeAll();
    world.CheckNobodyIsForgotten();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, SchedulerPropertyTest, ::testing::Values(1, 11, 21, 31, 41));

TEST(SchedulerReplayTest, SameEventsGiveTheSameDecisions) {
  World one(7, "xpool"), other(7, "xpool");
  for (int step = 0; step < 400; ++step) {
    one.Step();
    one.Settle();
  }
  for (int step = 0; step < 400; ++step) {
    other.Step();
    other.Settle();
  }
  EXPECT_GT(one.log().size(), 1000u);
  EXPECT_EQ(one.log(), other.log());
}

}  // namespace
}  // namespace xpool::scheduler
