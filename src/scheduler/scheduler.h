// Decides which pod runs where and when. It is told of everything that happens in events, each with the time, and asked
// for one decision after the other; what it decided is assumed to be so at once, until it is confirmed, rejected or has
// waited too long. It reads no clock and does no I/O: the same events and questions give the same decisions.
//
//   queue      of the units that could be placed, whose turn it is (queue/)
//   filter     the nodes that it may come to (pool/node_filters.h) and that have room (pool/candidates.h)
//   score      by a policy (policies/); gangs by the topology (gangs/)
//   bind       assumed here, done by whoever asks
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "scheduler/gangs/gang_placement.h"
#include "scheduler/gangs/topology_tree.h"
#include "scheduler/plans/eviction.h"
#include "scheduler/policies/policy.h"
#include "scheduler/pool/attempts.h"
#include "scheduler/pool/lack.h"
#include "scheduler/pool/node_filters.h"
#include "scheduler/pool/placer.h"
#include "scheduler/pool/pool_state.h"
#include "scheduler/queue/queue_order.h"
#include "scheduler/queue/waiting_room.h"

namespace xpool::scheduler {

struct NodeGone {
  std::string name;
  uint64_t version = 0;
};
struct ClaimGone {
  std::string uid;
  uint64_t version = 0;
};
struct PodGone {
  std::string uid;
  uint64_t version = 0;
};
// What was decided has been done.
struct Confirmed {
  std::string pod;
};
// It could not be done.
struct Rejected {
  std::string pod, reason;
};
// Nothing but time.
struct TimePassed {};

using Event = std::variant<NodeSpec, NodeGone, ClaimSeen, ClaimGone, PodSeen, PodGone, Snapshot, QueueSpec, Confirmed,
                           Rejected, TimePassed>;

// What follows from an event, for whoever told of it.
struct Effects {
  std::vector<std::string> ready;      // units that are worth a try now, in no order; Decide() knows them
  std::vector<std::string> withdrawn;  // pods whose placement holds no more: rejected, expired, or of a gang with such
  std::vector<std::string> broken;     // placed pods that hold an XPU which is not healthy any more
};

// A pod's placement.
struct Placed {
  std::string pod, node;
  std::vector<SeenClaim> claims;
  int32_t score = 0;
  std::vector<ScorePart> parts;  // of what the score is made, in the policy's unit
  std::string runner_up;         // the node that would have been next; "": there is none
  int32_t runner_up_score = 0;
};

struct Decision {
  std::string unit;  // a pod's uid, or a gang's name
  bool is_gang = false;
  std::vector<Placed> placed;  // empty: it is blocked
  std::string domain;          // of a gang: "rack r1 in row 3"
  // Why it is blocked, for people, and what nodes lack, in the first of the ways to meet its wishes.
  std::string why;
  Lacks lacks;
};

struct SchedulerOptions {
  int64_t assume_for_ns = 60'000'000'000;  // until a decision that nobody confirms expires
  int64_t backoff_ns = 1'000'000'000;      // after a rejection; twice as long after the next one
  int64_t most_backoff_ns = 60'000'000'000;
  int64_t reserve_after_ns = 60'000'000'000;  // for how long a gang waits before nodes are kept for it; -1: never
  int decisions_between_looks = 200;          // of the policy at the pool, at least
  WorkerNeeds worker;
  double network_cost = 0.1;  // of a remote XPU, in cards; where the policy can tell what placements cost
};

class Scheduler {
 public:
  explicit Scheduler(std::unique_ptr<Policy> policy, const SchedulerOptions& options = {},
                     std::unique_ptr<QueueOrder> order = std::make_unique<PriorityOrder>());

  // INVALID_ARGUMENT, and nothing has changed, when |event| makes no sense; what is old news has no effects.
  // Of a snapshot, what makes no sense is left out, and the first error returned after the rest has been taken in.
  absl::Status Apply(const Event& event, int64_t now_ns, Effects* effects);

  // Tries the unit whose turn it is. Nothing when none is worth a try.
  std::optional<Decision> Decide(int64_t now_ns);

  // Keeps |nodes| for |unit|, which is waiting, alone: what plans have freed. It ends with its wait. Who is known to
  // end before |start_ns| may use them too. NOT_FOUND, FAILED_PRECONDITION when one is kept for somebody else.
  absl::Status Reserve(const std::string& unit, const std::vector<std::string>& nodes, int64_t start_ns = 0);

  bool is_reserved(NodeIndex node) const { return reserved_.contains(node); }
  // Others than one pod that waits go elsewhere, as long as there is room elsewhere.
  bool is_spared(NodeIndex node) const { return spared_.contains(node); }
  const PoolState& pool() const { return pool_; }
  size_t waiting() const { return room_.size(); }
  size_t ready() const { return room_.ready(); }
  // When something happens by itself; TimePassed should be told then.
  std::optional<int64_t> next_due_ns() const;

  // Plans, for whoever can carry them out: the pods that should go, and the nodes to Reserve() before they do.
  struct Advice {
    std::vector<std::string> victims;  // of an eviction
    std::vector<Placed> moves;         // of a defragmentation: where each pod should be
    std::vector<std::string> nodes;    // that become free
    double cost = 0;
  };
  // For |unit|, which waits. NOT_FOUND when it doesn't, FAILED_PRECONDITION when nothing within the budget would help.
  absl::StatusOr<Advice> PlanEvictions(const std::string& unit, int64_t now_ns, const EvictionOptions& options = {});
  absl::StatusOr<Advice> PlanMoves(const std::string& unit, size_t most_moves);

  // What a policy may know: pods that have come so far, and the pool.
  Outlook MakeOutlook();
  // A new policy is made elsewhere, as that takes a while, and then used for what comes.
  void SetPolicy(std::unique_ptr<Policy> policy);

 private:
  struct Gang {
    std::string name;
    GangSpec spec;
    std::set<PodId> pending, placed;
    std::vector<Domain> domain;  // that its placed members are in
    bool is_whole = false;       // all members that were placed at once have been confirmed
    // While it is blocked: places that it lacks in the best domain, and those that have come up since, anywhere.
    Demand wanted;
    int64_t missing = 0, gained = 0;
  };

  struct Found;
  struct Team;
  struct Reservation {
    UnitId unit;
    int64_t start_ns;  // when it is expected to use it; 0: not known
  };

  static constexpr UnitId kGangBit = UnitId{1} << 31;
  static bool IsGang(UnitId unit) { return (unit & kGangBit) != 0; }
  Gang& GangOf(UnitId unit) { return gangs_[unit & ~kGangBit]; }
  const Gang& GangOf(UnitId unit) const { return gangs_[unit & ~kGangBit]; }

  absl::Status ApplyOne(const NodeSpec& node, int64_t now_ns, Effects* effects);
  absl::Status ApplyOne(const NodeGone& gone, int64_t now_ns, Effects* effects);
  absl::Status ApplyOne(const ClaimSeen& claim, int64_t now_ns, Effects* effects);
  absl::Status ApplyOne(const ClaimGone& gone, int64_t now_ns, Effects* effects);
  absl::Status ApplyOne(const PodSeen& pod, int64_t now_ns, Effects* effects);
  absl::Status ApplyOne(const PodGone& gone, int64_t now_ns, Effects* effects);
  absl::Status ApplyOne(const Snapshot& snapshot, int64_t now_ns, Effects* effects);
  absl::Status ApplyOne(const QueueSpec& queue, int64_t now_ns, Effects* effects);
  absl::Status ApplyOne(const Confirmed& confirmed, int64_t now_ns, Effects* effects);
  absl::Status ApplyOne(const Rejected& rejected, int64_t now_ns, Effects* effects);
  absl::Status ApplyOne(const TimePassed& passed, int64_t now_ns, Effects* effects);

  // Waiting (scheduler.cc).
  std::string NameOf(UnitId unit) const;
  UnitId UnitOfGang(const GangSpec& spec);
  // The gang that a pod is of; nothing when it is of none.
  std::optional<UnitId> GangOfPod(PodId pod) const;
  void Enter(PodId pod, int64_t now_ns);
  void EnterGang(UnitId unit, int64_t now_ns);
  void LeaveRoom(UnitId gang);
  void LeaveGang(PodId pod, int64_t now_ns);
  void Forget(PodId pod, int64_t now_ns, Effects* effects);
  void WasBound(PodId pod, int64_t now_ns);
  void Withdraw(PodId pod, int64_t now_ns, Effects* effects);
  void WithdrawOne(PodId pod, Effects* effects);
  void SitOut(UnitId unit, PodId rejected, int64_t now_ns);
  void ReportBroken(NodeIndex node, Effects* effects) const;
  void WakeHelped(Effects* effects);
  void WakeGangs(std::span<const NodeIndex> changed, std::vector<UnitId>* woken);
  void Account(PodId pod);

  // Plans (planning.cc).
  struct Wished {
    UnitId unit;
    PodId first;
    ClearingWish wish;
  };
  absl::StatusOr<Wished> WishOf(const std::string& unit);

  // Deciding (deciding.cc).
  Decision DecidePod(PodId pod, int64_t now_ns);
  Decision DecideGang(UnitId unit, int64_t now_ns);
  std::optional<Found> Find(PodId pod, const Attempt& attempt, int64_t now_ns);
  std::optional<Found> Find(PodId pod, const Attempt& attempt, int64_t now_ns, bool sparing);
  bool IsBetter(const Found& apart, const Found& together) const;
  void WhyNot(PodId pod, const std::vector<Attempt>& attempts, int64_t now_ns, Decision* decision);
  void Take(PodId pod, const Found& found, int64_t now_ns, Decision* decision);
  bool TryGang(UnitId unit, std::span<const PodId> members, size_t attempt, int64_t now_ns, Decision* decision);
  void Hold(PodId pod, const Attempt& attempt, NodeIndex node, const Cards& cards, NodeIndex remote_node,
            const Cards& remote_cards, int64_t now_ns);
  SeenClaim SeenAt(ClaimId claim, NodeIndex node, std::span<const CardSet> cards) const;
  Placed Describe(PodId pod) const;
  void Explain(const Choice& choice, const Demand& demand, const NodeState& before, Placed* placed) const;
  bool HasQuota(UnitId unit);
  bool MayUse(NodeIndex node, UnitId unit, int64_t ends_ns) const;
  void EndReservation(UnitId unit);
  bool IsSparedForOther(NodeIndex node, PodId pod) const;
  void SpareNode(PodId pod, const Demand& demand, int64_t now_ns);
  void EndSparing(PodId pod);
  void ReserveForGang(UnitId unit, const Team& team, int64_t now_ns);
  int64_t EndOf(PodId pod, int64_t start_ns) const;
  Team TeamOf(const GangSpec& gang, std::span<const PodId> members, size_t attempt);
  Lacks LacksOf(const Demand& demand, const NodeFilter& filter, UnitId unit, int64_t ends_ns) const;
  std::string FilterKeyOf(PodId pod, bool is_remote);
  const NodeFilter& FilterOf(PodId pod, bool is_remote);
  const TopologyTree& Tree();
  void Learn(PodId pod);

  const SchedulerOptions options_;
  std::unique_ptr<Policy> policy_;
  std::unique_ptr<QueueOrder> order_;
  PoolState pool_;
  NodeFilters filters_;
  std::unique_ptr<Placer> placer_;
  WaitingRoom room_;

  std::vector<Gang> gangs_;
  std::vector<uint32_t> free_gangs_;
  absl::flat_hash_map<std::string, uint32_t> gang_ids_;
  std::set<UnitId> blocked_gangs_;
  std::optional<TopologyTree> tree_;
  uint64_t tree_stamp_ = 0;

  // Of each pod, by its id.
  struct PodNotes {
    int64_t since_ns = 0;       // when it was placed, or seen to be
    int64_t expires_ns = 0;     // its assumption; 0: it is not assumed
    int rejections = 0;         // in a row
    int64_t charged_milli = 0;  // to its queue
    std::string charged_to;
    bool is_metered = false;  // it is among those that run
  };
  std::vector<PodNotes> notes_;
  std::set<std::pair<int64_t, PodId>> assumed_;           // by when they expire
  absl::flat_hash_map<std::string, int64_t> used_milli_;  // by queue
  absl::flat_hash_map<NodeIndex, Reservation> reserved_;
  absl::flat_hash_map<NodeIndex, PodId> spared_;  // and for whom
  std::vector<NodeIndex> unkept_;                 // whose reservation has ended since WakeHelped()
  uint64_t looked_stamp_ = 0;                     // of the nodes: for whom later changes could help has not been looked
  int until_look_ = 0;                            // decisions
  FlowMeter meter_;

  absl::flat_hash_map<Demand, int64_t> seen_demands_;  // of pods that came, and how often, as mixes count
};

}  // namespace xpool::scheduler
