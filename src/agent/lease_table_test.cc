// The lease table against clients played by the test: control pages without processes, time stepped by hand.
#include "agent/lease_table.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <map>
#include <set>

namespace xpool::agent {
namespace {

constexpr int64_t kQuantum = 5 * kNsPerMs;

class LeaseTableTest : public testing::Test {
 protected:
  void Start(uint32_t cpu_cores = 0) {
    LeaseTable::Config config;
    config.xpu_id = "xpu0";
    config.cpu_cores = cpu_cores;
    config.arbiter.quantum_ns = kQuantum;
    LeaseTable::Hooks hooks;
    hooks.event = [this](Event event) { events_[event.kind]++; };
    hooks.drained = [this](SliceNumber slice) { drained_.push_back(slice); };
    hooks.cpu_demand_ns = [this](pid_t pid) {
      ++demand_reads_;
      return demand_ns_[pid];
    };
    hooks.process_state = [this](pid_t pid) { return state_.contains(pid) ? state_[pid] : 'R'; };
    hooks.share_cores = [this](pid_t pid, bool share) {
      share ? void(sharing_.insert(pid)) : void(sharing_.erase(pid));
    };
    hooks.kill = [this](const SessionLink& link) {
      killed_.push_back(link.pid);
      return true;
    };
    table_ = std::make_unique<LeaseTable>(config, hooks, &trace_);
    table_->Open(now_);
  }

  void AddSlice(SliceNumber slice, int percent, int limit = 100) {
    table_->AddSlice(slice, {Share::FromPercent(percent), Share::FromPercent(limit)}, now_);
  }

  // A session whose pid and id are |id|.
  ControlPage& AddSession(SessionId id, SliceNumber slice, LeaseWord adopted = {}) {
    auto link = std::make_shared<SessionLink>();
    link->id = id;
    link->slice = slice;
    link->pid = static_cast<pid_t>(id);
    link->client_doorbell.Reset(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    auto page = CreateControlPage(id);
    link->page = std::move(page->page);
    link->page->rings_when_idle = 1;
    link->page->lease = adopted.bits;
    table_->AddSession(link, adopted, now_);
    links_[id] = link;
    return *link->page.get();
  }

  LeaseWord Word(const ControlPage& page) { return LeaseWord{page.lease.load()}; }
  LeaseState State(const ControlPage& page) { return Word(page).state(); }

  void Ring(SessionId id) {
    table_->OnDoorbell(id, now_);
    table_->Settle(now_);
  }
  void Want(SessionId id) {
    links_[id]->page->wants = 1;
    Ring(id);
  }
  void GiveBack(SessionId id, bool more) {
    ControlPage& page = *links_[id]->page.get();
    page.lease = Word(page).Ended().bits;
    page.wants = more ? 1 : 0;
    Ring(id);
  }
  void GoIdle(SessionId id) {
    ControlPage& page = *links_[id]->page.get();
    page.idle_since_ns = now_;
    page.lease = Word(page).WithState(LeaseState::kIdle).bits;
    Ring(id);
  }
  void Advance(int64_t ns) {
    now_ += ns;
    table_->Settle(now_);
  }

  int64_t now_ = 1'000 * kNsPerSec;
  TraceLog trace_;
  std::unique_ptr<LeaseTable> table_;
  std::map<SessionId, std::shared_ptr<SessionLink>> links_;
  std::map<std::string, int> events_;
  std::map<pid_t, int64_t> demand_ns_;
  int64_t demand_reads_ = 0;
  std::map<pid_t, char> state_;
  std::set<pid_t> sharing_;
  std::vector<pid_t> killed_;
  std::vector<SliceNumber> drained_;
};

TEST_F(LeaseTableTest, LoneClientHoldsUntrackedAndSilently) {
  Start();
  AddSlice(1, 50);
  ControlPage& a = AddSession(11, 1);
  Want(11);
  EXPECT_EQ(State(a), LeaseState::kBusy);
  EXPECT_FALSE(Word(a).tracked());
  EXPECT_EQ(Word(a).epoch(), 1u);
  EXPECT_EQ(a.wants.load(), 0u);
  Advance(10 * kQuantum);
  EXPECT_EQ(State(a), LeaseState::kBusy);
}

TEST_F(LeaseTableTest, RequestWhoseRingWasMissedIsFoundAllTheSame) {
  Start();
  AddSlice(1, 50);
  AddSlice(2, 50);
  AddSession(11, 1);
  ControlPage& b = AddSession(12, 2);
  Advance(2 * kNsPerSec);
  EXPECT_FALSE(table_->NextWakeNs(now_).has_value());  // with nobody ringing, no timer runs
  Ring(11);
  b.wants = 1;  // and its ring does not come
  ASSERT_TRUE(table_->NextWakeNs(now_).has_value());
  EXPECT_LE(*table_->NextWakeNs(now_), now_ + kNsPerSec);
  Advance(kNsPerSec);
  EXPECT_EQ(State(b), LeaseState::kBusy);
}

TEST_F(LeaseTableTest, PartnerMakesTheHolderTrackedAndGetsItsTurn) {
  Start();
  AddSlice(1, 50);
  AddSlice(2, 50);
  ControlPage& a = AddSession(11, 1);
  ControlPage& b = AddSession(12, 2);
  Want(11);
  Want(12);
  EXPECT_TRUE(Word(a).tracked());
  EXPECT_GT(a.lease_until_ns.load(), now_);
  EXPECT_EQ(State(b), LeaseState::kNone);
  Advance(kQuantum + 1);
  EXPECT_EQ(State(a), LeaseState::kRevoke);
  EXPECT_EQ(State(b), LeaseState::kNone);  // not before the first has drained
  GiveBack(11, true);
  EXPECT_EQ(State(b), LeaseState::kBusy);
  EXPECT_TRUE(Word(b).tracked());
}

TEST_F(LeaseTableTest, IdleLeaseIsTakenForAWaiterAndTheClientFindsNone) {
  Start();
  AddSlice(1, 50);
  AddSlice(2, 50);
  ControlPage& a = AddSession(11, 1);
  ControlPage& b = AddSession(12, 2);
  Want(11);
  Want(12);
  GoIdle(11);
  Advance(2 * kNsPerMs);  // past the longest grace
  EXPECT_EQ(State(a), LeaseState::kNone);
  EXPECT_EQ(State(b), LeaseState::kBusy);
}

TEST_F(LeaseTableTest, SilentIdleHolderIsLookedAt) {
  Start();
  AddSlice(1, 50);
  AddSlice(2, 50);
  ControlPage& a = AddSession(11, 1);
  AddSession(12, 2);
  a.rings_when_idle = 0;
  Want(11);
  EXPECT_FALSE(table_->NextWakeNs(now_) && *table_->NextWakeNs(now_) <= now_ + kQuantum / 8);  // alone: no polling
  Want(12);
  ASSERT_TRUE(table_->NextWakeNs(now_).has_value());
  EXPECT_LE(*table_->NextWakeNs(now_), now_ + kQuantum / 8);
}

TEST_F(LeaseTableTest, SessionsOfOneSliceShareItsLease) {
  Start();
  AddSlice(1, 50);
  AddSlice(2, 50);
  ControlPage& a = AddSession(11, 1);
  ControlPage& b = AddSession(12, 1);
  ControlPage& other = AddSession(13, 2);
  Want(11);
  Want(13);
  Want(12);
  EXPECT_EQ(State(a), LeaseState::kBusy);
  EXPECT_EQ(State(b), LeaseState::kBusy);
  EXPECT_EQ(a.lease_until_ns.load(), b.lease_until_ns.load());
  GiveBack(11, false);
  EXPECT_EQ(State(other), LeaseState::kNone);
  GiveBack(12, false);
  EXPECT_EQ(State(other), LeaseState::kBusy);
}

TEST_F(LeaseTableTest, DeathOfTheHolderFreesTheXpuAtOnce) {
  Start();
  AddSlice(1, 50);
  AddSlice(2, 50);
  AddSession(11, 1);
  ControlPage& b = AddSession(12, 2);
  Want(11);
  Want(12);
  table_->RemoveSession(11, now_);
  table_->Settle(now_);
  EXPECT_EQ(State(b), LeaseState::kBusy);
}

TEST_F(LeaseTableTest, DeathOfAWaiterLeavesNoLeaseBehind) {
  Start();
  AddSlice(1, 50);
  AddSlice(2, 50);
  ControlPage& a = AddSession(11, 1);
  AddSession(12, 2);
  Want(11);
  Want(12);
  table_->RemoveSession(12, now_);
  Advance(kQuantum + 1);
  GiveBack(11, true);
  EXPECT_EQ(State(a), LeaseState::kBusy);
}

TEST_F(LeaseTableTest, NothingIsGrantedBeforeOpening) {
  Start();
  LeaseTable::Config config;
  config.arbiter.quantum_ns = kQuantum;
  table_ = std::make_unique<LeaseTable>(
      config, LeaseTable::Hooks{[](Event) {}, [](SliceNumber) {}, nullptr, nullptr, nullptr}, &trace_);
  AddSlice(1, 50);
  ControlPage& a = AddSession(11, 1);
  Want(11);
  EXPECT_EQ(State(a), LeaseState::kNone);
  table_->Open(now_);
  table_->Settle(now_);
  EXPECT_EQ(State(a), LeaseState::kBusy);
}

TEST_F(LeaseTableTest, AdoptedHolderKeepsItsLeaseUntilItsTurnEnds) {
  Start();
  AddSlice(1, 50);
  AddSlice(2, 50);
  const LeaseWord held = LeaseWord{}.NextGrant(false);
  ControlPage& a = AddSession(11, 1, held);
  ControlPage& b = AddSession(12, 2);
  Want(12);
  EXPECT_EQ(State(a), LeaseState::kBusy);
  EXPECT_EQ(State(b), LeaseState::kNone);
  EXPECT_TRUE(Word(a).tracked());
  Advance(2 * kQuantum);
  EXPECT_EQ(State(a), LeaseState::kRevoke);
  GiveBack(11, false);
  EXPECT_EQ(State(b), LeaseState::kBusy);
}

TEST_F(LeaseTableTest, ScribblerLosesItsLeaseAndOthersGoOn) {
  Start();
  AddSlice(1, 50);
  AddSlice(2, 50);
  ControlPage& a = AddSession(11, 1);
  ControlPage& b = AddSession(12, 2);
  Want(11);
  Want(12);
  a.lease = ~uint64_t{0};
  Ring(11);
  EXPECT_EQ(State(a), LeaseState::kNone);
  EXPECT_EQ(State(b), LeaseState::kBusy);
  EXPECT_EQ(events_["control-page-scribbled"], 1);
  // A lease that it writes itself is not one.
  a.lease = Word(a).NextGrant(false).bits;
  Ring(11);
  EXPECT_EQ(State(a), LeaseState::kNone);
  EXPECT_EQ(events_["control-page-scribbled"], 1);
}

TEST_F(LeaseTableTest, StoppedHolderOnACpuLosesItsLease) {
  Start(/*cpu_cores=*/2);
  AddSlice(1, 50);
  AddSlice(2, 50);
  ControlPage& a = AddSession(11, 1);
  ControlPage& b = AddSession(12, 2);
  Want(11);
  Want(12);
  state_[11] = 'T';
  Advance(kQuantum + 1);
  ASSERT_EQ(State(a), LeaseState::kRevoke);
  Advance(*table_->NextWakeNs(now_) - now_);
  EXPECT_EQ(State(a), LeaseState::kNone);
  EXPECT_EQ(State(b), LeaseState::kBusy);
}

TEST_F(LeaseTableTest, StoppedHolderOfACardIsWaitedForAndKilledAtTheHangLimit) {
  Start();
  AddSlice(1, 50);
  AddSlice(2, 50);
  AddSession(11, 1);
  ControlPage& b = AddSession(12, 2);
  Want(11);
  Want(12);
  state_[11] = 'T';
  Advance(kQuantum + 1);
  Advance(29 * kNsPerSec);
  EXPECT_EQ(State(b), LeaseState::kNone);
  EXPECT_TRUE(killed_.empty());
  Advance(2 * kNsPerSec);
  EXPECT_EQ(killed_, std::vector<pid_t>{11});
  EXPECT_EQ(events_["lease-overrun"], 1);
  EXPECT_TRUE(links_[11]->overdue.load());
  table_->RemoveSession(11, now_);
  table_->Settle(now_);
  EXPECT_EQ(State(b), LeaseState::kBusy);
}

TEST_F(LeaseTableTest, ProgramsThatFillHalfTheCoresRunTogetherAndAreReadSeldom) {
  Start(/*cpu_cores=*/2);
  AddSlice(1, 50);
  AddSlice(2, 50);
  ControlPage& a = AddSession(11, 1);
  ControlPage& b = AddSession(12, 2);
  Want(11);
  Want(12);
  int together = 0;
  const int64_t start_ns = now_;
  for (int i = 0; i < 4000; ++i) {
    const bool a_holds = State(a) != LeaseState::kNone, b_holds = State(b) != LeaseState::kNone;
    if (a_holds && b_holds) ++together;
    if (a_holds) demand_ns_[11] += kQuantum / 4;  // one core of two
    if (b_holds) demand_ns_[12] += kQuantum / 4;
    Advance(kQuantum / 4);
    if (State(a) == LeaseState::kRevoke) GiveBack(11, true);
    if (State(b) == LeaseState::kRevoke) GiveBack(12, true);
  }
  EXPECT_GT(together, 800);
  EXPECT_EQ(sharing_, (std::set<pid_t>{11, 12}));
  table_->RemoveSession(12, now_);
  EXPECT_EQ(sharing_, std::set<pid_t>{11});
  for (int i = 0; i < 10; ++i) Advance(kNsPerSec / 4);
  EXPECT_EQ(sharing_, std::set<pid_t>{});
  // Two readings a sample, and a sample of each slice every 50 ms at most.
  EXPECT_LE(demand_reads_, 4 * ((now_ - start_ns) / OccupancyMeter::kSampleEveryNs + 1));
  EXPECT_GT(demand_reads_, 12);
}

TEST_F(LeaseTableTest, ProgramsThatHaveGrownStopRunningTogether) {
  Start(/*cpu_cores=*/2);
  AddSlice(1, 50);
  AddSlice(2, 50);
  ControlPage& a = AddSession(11, 1);
  ControlPage& b = AddSession(12, 2);
  Want(11);
  Want(12);
  int together = 0;
  const auto step = [&](int64_t cores) {
    const bool a_holds = State(a) != LeaseState::kNone, b_holds = State(b) != LeaseState::kNone;
    if (a_holds && b_holds) ++together;
    if (a_holds) demand_ns_[11] += cores * kQuantum / 4;
    if (b_holds) demand_ns_[12] += cores * kQuantum / 4;
    Advance(kQuantum / 4);
    if (State(a) == LeaseState::kRevoke) GiveBack(11, true);
    if (State(b) == LeaseState::kRevoke) GiveBack(12, true);
  };
  for (int i = 0; i < 800; ++i) step(1);
  ASSERT_GT(together, 400);
  for (int i = 0; i < 900; ++i) step(2);  // longer than an estimate is believed
  together = 0;
  for (int i = 0; i < 800; ++i) step(2);
  EXPECT_EQ(together, 0);
}

TEST_F(LeaseTableTest, RemovedSliceDrainsBeforeItsProgramsAreLetGo) {
  Start();
  AddSlice(1, 50);
  ControlPage& a = AddSession(11, 1);
  Want(11);
  table_->RemoveSlice(1, now_);
  table_->Settle(now_);
  EXPECT_EQ(State(a), LeaseState::kRevoke);
  EXPECT_TRUE(drained_.empty());
  GiveBack(11, true);
  EXPECT_EQ(drained_, std::vector<SliceNumber>{1});
  EXPECT_EQ(State(a), LeaseState::kNone);  // and gets nothing more
  table_->RemoveSession(11, now_);
  EXPECT_TRUE(table_->View(now_).empty());
}

TEST_F(LeaseTableTest, EqualSharesSplitTheTimeEvenly) {
  Start();
  AddSlice(1, 50);
  AddSlice(2, 50);
  ControlPage& a = AddSession(11, 1);
  ControlPage& b = AddSession(12, 2);
  Want(11);
  Want(12);
  for (int i = 0; i < 400; ++i) {
    Advance(kQuantum / 4);
    if (State(a) == LeaseState::kRevoke) GiveBack(11, true);
    if (State(b) == LeaseState::kRevoke) GiveBack(12, true);
  }
  std::map<SliceNumber, arbiter::Usage> usage;
  for (const SliceLeaseView& view : table_->View(now_)) usage[view.slice] = view.usage;
  EXPECT_NEAR(static_cast<double>(usage[1].contended_ns), static_cast<double>(usage[2].contended_ns), 2.0 * kQuantum);
}

TEST(OccupancyMeterTest, CountsOnlyAfterSeveralLeasesAndGrowsOld) {
  OccupancyMeter meter;
  int64_t now = 0, cpu = 0;
  for (int i = 0; i < 4; ++i) {
    meter.Start(now, cpu);
    EXPECT_EQ(meter.Value(now), i < static_cast<int>(OccupancyMeter::kSamples) ? 1.0 : 0.5);
    now += 5 * kNsPerMs;
    cpu += 4 * kNsPerMs;  // one core of two, in the 4 ms that it was not idle
    meter.End(now, cpu, 1 * kNsPerMs, 2);
  }
  EXPECT_EQ(meter.Value(now + OccupancyMeter::kFreshNs), 1.0);
}

TEST(OccupancyMeterTest, ShrinkingOrUnknownDemandTellsNothing) {
  OccupancyMeter meter;
  for (int i = 0; i < 5; ++i) {
    meter.Start(i * kNsPerSec, 10 * kNsPerMs);
    meter.End(i * kNsPerSec + 5 * kNsPerMs, i % 2 == 0 ? 9 * kNsPerMs : -1, 0, 2);
    meter.Start(i * kNsPerSec, -1);
    meter.End(i * kNsPerSec + 5 * kNsPerMs, 1 * kNsPerMs, 0, 2);
  }
  EXPECT_EQ(meter.Value(4 * kNsPerSec + 5 * kNsPerMs), 1.0);
}

TEST(OccupancyMeterTest, SharedLeaseTellsNothing) {
  OccupancyMeter meter;
  for (int i = 0; i < 5; ++i) {
    meter.Start(i * kNsPerSec, 0);
    meter.Spoil();
    meter.End((i + 1) * kNsPerSec, 0, 0, 2);
  }
  EXPECT_EQ(meter.Value(5 * kNsPerSec), 1.0);
}

TEST(TraceLogTest, ReaderThatFallsBehindGoesOnWithWhatIsKept) {
  TraceLog log;
  uint64_t position = log.position();
  for (int64_t i = 0; i < static_cast<int64_t>(TraceLog::kCapacity) + 5; ++i) log.Add({.at_ns = i});
  const auto records = log.ReadFrom(position);
  ASSERT_FALSE(records.empty());
  EXPECT_EQ(records.front().at_ns, 5);
  EXPECT_EQ(records.back().at_ns, static_cast<int64_t>(position) - 1);
}

}  // namespace
}  // namespace xpool::agent
