#include "scheduler/scheduler.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace xpool::scheduler {
namespace {

constexpr size_t kMostDemands = 4096;  // kinds of pods that are counted
constexpr size_t kMostTypes = 256;     // that policies are told of
constexpr int kMostDoublings = 6;      // of the time that a rejected unit sits out

bool HoldsBroken(const ClaimPlace& place, const NodeSpec& node) {
  CardSet held = 0;
  for (const CardSet cards : place.cards) held = static_cast<CardSet>(held | cards);
  const std::vector<uint8_t> numbers = NumbersOf(held);
  return std::any_of(numbers.begin(), numbers.end(),
                     [&](uint8_t card) { return card >= node.xpus.size() || !node.xpus[card].healthy; });
}

}  // namespace

Scheduler::Scheduler(std::unique_ptr<Policy> policy, const SchedulerOptions& options, std::unique_ptr<QueueOrder> order)
    : options_(options),
      policy_(std::move(policy)),
      order_(std::move(order)),
      pool_(options.worker),
      filters_(&pool_),
      placer_(std::make_unique<Placer>(policy_.get())) {}

void Scheduler::SetPolicy(std::unique_ptr<Policy> policy) {
  placer_ = std::make_unique<Placer>(policy.get());
  policy_ = std::move(policy);
  until_look_ = 0;
}

Outlook Scheduler::MakeOutlook() {
  Mix mix;
  for (const auto& [demand, count] : seen_demands_) mix.types.push_back({demand, count});
  std::sort(mix.types.begin(), mix.types.end(), [](const PodType& one, const PodType& other) {
    return one.count != other.count ? one.count > other.count : one.demand < other.demand;
  });
  if (mix.types.size() > kMostTypes) mix.types.resize(kMostTypes);
  return {std::move(mix), pool_.Regroup()};
}

absl::Status Scheduler::Apply(const Event& event, int64_t now_ns, Effects* effects) {
  const absl::Status status = std::visit([&](const auto& of) { return ApplyOne(of, now_ns, effects); }, event);
  while (!assumed_.empty() && assumed_.begin()->first <= now_ns) Withdraw(assumed_.begin()->second, now_ns, effects);
  WakeHelped(effects);
  std::vector<UnitId> woken;
  room_.WakeDue(now_ns, &woken);
  for (const UnitId unit : woken) effects->ready.push_back(NameOf(unit));
  return status;
}

std::optional<int64_t> Scheduler::next_due_ns() const {
  std::optional<int64_t> due = room_.next_due_ns();
  if (!assumed_.empty()) due = std::min(due.value_or(INT64_MAX), assumed_.begin()->first);
  return due;
}

absl::Status Scheduler::ApplyOne(const NodeSpec& node, int64_t, Effects* effects) {
  ASSIGN_OR_RETURN(const bool changed, pool_.SetNode(node));
  if (changed) ReportBroken(*pool_.FindNode(node.name), effects);
  return absl::OkStatus();
}

absl::Status Scheduler::ApplyOne(const NodeGone& gone, int64_t, Effects* effects) {
  const std::optional<NodeIndex> node = pool_.FindNode(gone.name);
  if (!pool_.RemoveNode(gone.name, gone.version) || !node.has_value()) return absl::OkStatus();
  reserved_.erase(*node);
  spared_.erase(*node);
  for (const PodId pod : pool_.pods_on(*node)) effects->broken.push_back(pool_.pod(pod).spec.uid);
  return absl::OkStatus();
}

absl::Status Scheduler::ApplyOne(const ClaimSeen& claim, int64_t now_ns, Effects*) {
  ASSIGN_OR_RETURN(const bool changed, pool_.SetClaim(claim));
  if (!changed) return absl::OkStatus();
  const std::vector<PodId> pods = pool_.claim(*pool_.FindClaim(claim.spec.uid)).named_by;
  for (const PodId pod : pods) Enter(pod, now_ns);
  return absl::OkStatus();
}

absl::Status Scheduler::ApplyOne(const ClaimGone& gone, int64_t now_ns, Effects*) {
  const std::optional<ClaimId> claim = pool_.FindClaim(gone.uid);
  const std::vector<PodId> pods = claim.has_value() ? pool_.claim(*claim).named_by : std::vector<PodId>();
  if (!pool_.RemoveClaim(gone.uid, gone.version)) return absl::OkStatus();
  for (const PodId pod : pods) {
    if (pool_.pod(pod).phase != PodPhase::kPending) continue;
    LeaveGang(pod, now_ns);
    room_.Remove(pod);
  }
  return absl::OkStatus();
}

absl::Status Scheduler::ApplyOne(const PodSeen& seen, int64_t now_ns, Effects*) {
  const std::optional<PodId> known = pool_.FindPod(seen.spec.uid);
  ASSIGN_OR_RETURN(const bool changed, pool_.SetPod(seen));
  if (!changed) return absl::OkStatus();
  const PodId pod = *pool_.FindPod(seen.spec.uid);
  notes_.resize(std::max(notes_.size(), pool_.pod_slots()));
  if (!known.has_value()) Learn(pod);
  if (pool_.pod(pod).phase == PodPhase::kPending) {
    Enter(pod, now_ns);
  } else if (pool_.pod(pod).phase != PodPhase::kAssumed) {
    if (notes_[pod].since_ns == 0) notes_[pod].since_ns = now_ns;
    WasBound(pod, now_ns);
  }
  return absl::OkStatus();
}

absl::Status Scheduler::ApplyOne(const PodGone& gone, int64_t now_ns, Effects* effects) {
  const std::optional<PodId> pod = pool_.FindPod(gone.uid);
  if (!pod.has_value()) {
    pool_.RemovePod(gone.uid, gone.version);  // so that late news of it is known to be old
    return absl::OkStatus();
  }
  if (gone.version < pool_.pod(*pod).spec.version) return absl::OkStatus();
  Forget(*pod, now_ns, effects);
  pool_.RemovePod(gone.uid, gone.version);
  return absl::OkStatus();
}

absl::Status Scheduler::ApplyOne(const Snapshot& snapshot, int64_t now_ns, Effects* effects) {
  absl::Status first;
  const PoolState::Names gone = pool_.NotIn(snapshot);
  for (const std::string& uid : gone.pods) first.Update(ApplyOne(PodGone{uid, snapshot.version}, now_ns, effects));
  for (const std::string& uid : gone.claims) first.Update(ApplyOne(ClaimGone{uid, snapshot.version}, now_ns, effects));
  for (const std::string& name : gone.nodes) first.Update(ApplyOne(NodeGone{name, snapshot.version}, now_ns, effects));
  for (const NodeSpec& node : snapshot.nodes) first.Update(ApplyOne(node, now_ns, effects));
  for (const ClaimSeen& claim : snapshot.claims) first.Update(ApplyOne(claim, now_ns, effects));
  for (const PodSeen& pod : snapshot.pods) first.Update(ApplyOne(pod, now_ns, effects));
  return first;
}

absl::Status Scheduler::ApplyOne(const QueueSpec& queue, int64_t, Effects* effects) {
  if (queue.weight <= 0 || !(queue.weight < 1e9))
    return absl::InvalidArgumentError(absl::StrCat("queue \"", queue.name, "\": its weight must be more than 0"));
  room_.SetQueue(queue);
  std::vector<UnitId> woken;
  room_.WakeQueue(queue.name, &woken);
  for (const UnitId unit : woken) effects->ready.push_back(NameOf(unit));
  return absl::OkStatus();
}

absl::Status Scheduler::ApplyOne(const Confirmed& confirmed, int64_t now_ns, Effects*) {
  const std::optional<PodId> pod = pool_.FindPod(confirmed.pod);
  if (pod.has_value() && pool_.pod(*pod).phase == PodPhase::kAssumed) {
    pool_.Confirm(*pod);
    WasBound(*pod, now_ns);
  }
  return absl::OkStatus();
}

absl::Status Scheduler::ApplyOne(const Rejected& rejected, int64_t now_ns, Effects* effects) {
  const std::optional<PodId> pod = pool_.FindPod(rejected.pod);
  if (pod.has_value() && pool_.pod(*pod).phase == PodPhase::kAssumed) Withdraw(*pod, now_ns, effects);
  return absl::OkStatus();
}

absl::Status Scheduler::ApplyOne(const TimePassed&, int64_t, Effects*) { return absl::OkStatus(); }

std::string Scheduler::NameOf(UnitId unit) const { return IsGang(unit) ? GangOf(unit).name : pool_.pod(unit).spec.uid; }

void Scheduler::Learn(PodId pod) {
  if (seen_demands_.size() >= kMostDemands) {
    for (auto& [demand, count] : seen_demands_) count /= 2;
    absl::erase_if(seen_demands_, [](const auto& seen) { return seen.second == 0; });
  }
  if (!pool_.HasAllClaims(pod)) return;
  const std::vector<Attempt> attempts = AttemptsOf(pool_, pod);
  if (attempts.empty()) return;
  // What may be in two places is two demands.
  const Attempt& attempt = attempts.size() > 1 && attempts[1].is_other_way ? attempts[1] : attempts[0];
  const auto learn = [&](Demand demand, int count) {
    demand.memory_bytes = 0;
    seen_demands_[std::move(demand)] += count;
  };
  if (attempt.remote.has_value()) learn(*attempt.remote, kCountOfPod);
  learn(attempt.local, attempt.remote.has_value() ? kCountOfRest : kCountOfPod);
}

UnitId Scheduler::UnitOfGang(const GangSpec& spec) {
  const auto [found, is_new] = gang_ids_.try_emplace(spec.name, 0);
  if (is_new) {
    if (free_gangs_.empty()) {
      free_gangs_.push_back(static_cast<uint32_t>(gangs_.size()));
      gangs_.emplace_back();
    }
    found->second = free_gangs_.back();
    free_gangs_.pop_back();
    gangs_[found->second] = {};
    gangs_[found->second].name = spec.name;
    gangs_[found->second].spec = spec;
  }
  return found->second | kGangBit;
}

std::optional<UnitId> Scheduler::GangOfPod(PodId pod) const {
  const std::string& name = pool_.pod(pod).spec.gang.name;
  const auto found = name.empty() ? gang_ids_.end() : gang_ids_.find(name);
  return found == gang_ids_.end() ? std::nullopt : std::optional(found->second | kGangBit);
}

// Lets a pending pod wait for its turn, once all that it needs to know is known. It may wait already.
void Scheduler::Enter(PodId pod, int64_t now_ns) {
  const PodSpec& spec = pool_.pod(pod).spec;
  if (pool_.pod(pod).phase != PodPhase::kPending || !pool_.HasAllClaims(pod)) return;
  if (!spec.gang.name.empty()) {
    const UnitId unit = UnitOfGang(spec.gang);
    Gang& gang = GangOf(unit);
    gang.pending.insert(pod);
    // Members that come when it runs are placed one by one.
    if (gang.placed.empty()) return EnterGang(unit, now_ns);
  }
  if (room_.contains(pod)) {
    const WaitingRoom::Entry& entry = room_.entry(pod);
    if (entry.queue == spec.queue && entry.priority == spec.priority) return;
    room_.Remove(pod);
  }
  room_.Add(pod, {.queue = spec.queue, .priority = spec.priority, .since_ns = now_ns});
}

void Scheduler::EnterGang(UnitId unit, int64_t now_ns) {
  const Gang& gang = GangOf(unit);
  if (static_cast<int>(gang.pending.size()) < gang.spec.min_members) return;
  if (room_.contains(unit)) {
    if (blocked_gangs_.erase(unit) > 0) room_.MakeReady(unit);  // there are more members than when it was tried
    return;
  }
  const PodSpec& first = pool_.pod(*gang.pending.begin()).spec;
  room_.Add(unit, {.queue = first.queue, .priority = first.priority, .since_ns = now_ns});
}

// Of a gang, that does not wait as such any more.
void Scheduler::LeaveRoom(UnitId gang) {
  room_.Remove(gang);
  blocked_gangs_.erase(gang);
  EndReservation(gang);
}

void Scheduler::LeaveGang(PodId pod, int64_t now_ns) {
  const std::optional<UnitId> unit = GangOfPod(pod);
  if (!unit.has_value()) return;
  Gang& gang = GangOf(*unit);
  gang.pending.erase(pod);
  if (gang.placed.erase(pod) > 0 && gang.placed.empty()) {
    // Those who would have followed one by one begin a gang anew.
    gang.is_whole = false;
    gang.domain.clear();
    for (const PodId member : gang.pending) room_.Remove(member);
    EnterGang(*unit, now_ns);
  }
  if (static_cast<int>(gang.pending.size()) < gang.spec.min_members) {
    LeaveRoom(*unit);
  }
  if (!gang.pending.empty() || !gang.placed.empty()) return;
  gang_ids_.erase(gang.name);
  free_gangs_.push_back(*unit & ~kGangBit);
}

// What it held, and that it waited; before it is removed.
void Scheduler::Forget(PodId pod, int64_t now_ns, Effects* effects) {
  room_.Remove(pod);
  EndReservation(pod);
  LeaveGang(pod, now_ns);
  assumed_.erase({notes_[pod].expires_ns, pod});
  used_milli_[notes_[pod].charged_to] -= notes_[pod].charged_milli;
  const std::string queue = notes_[pod].charged_to;
  const bool was_charged = notes_[pod].charged_milli > 0;
  if (notes_[pod].is_metered) meter_.Went();
  notes_[pod] = {};
  std::vector<UnitId> woken;
  if (was_charged) room_.WakeQueue(queue, &woken);
  for (const UnitId unit : woken) effects->ready.push_back(NameOf(unit));
}

void Scheduler::WasBound(PodId pod, int64_t now_ns) {
  assumed_.erase({notes_[pod].expires_ns, pod});
  notes_[pod].expires_ns = 0;
  notes_[pod].rejections = 0;
  room_.Remove(pod);
  EndReservation(pod);
  Account(pod);
  const PodSpec& spec = pool_.pod(pod).spec;
  if (spec.gang.name.empty()) return;
  const UnitId unit = UnitOfGang(spec.gang);
  Gang& gang = GangOf(unit);
  gang.pending.erase(pod);
  gang.placed.insert(pod);
  gang.is_whole = gang.is_whole || std::none_of(gang.placed.begin(), gang.placed.end(), [&](PodId member) {
                    return pool_.pod(member).phase == PodPhase::kAssumed;
                  });
  if (!room_.contains(unit)) return;
  // Somebody else has started it: the others follow one by one.
  LeaveRoom(unit);
  const std::set<PodId> rest = gang.pending;
  for (const PodId member : rest) Enter(member, now_ns);
}

// Charges a pod's queue for what it holds now, and counts who runs.
void Scheduler::Account(PodId pod) {
  PodNotes& notes = notes_[pod];
  const PodPhase phase = pool_.pod(pod).phase;
  const bool runs = phase == PodPhase::kBound || phase == PodPhase::kReleasing;
  if (runs && !notes.is_metered) meter_.Came();
  if (!runs && notes.is_metered) meter_.Went();
  notes.is_metered = runs;
  used_milli_[notes.charged_to] -= notes.charged_milli;
  notes.charged_to = pool_.pod(pod).spec.queue;
  notes.charged_milli = 0;
  if (phase != PodPhase::kPending) {
    for (const ClaimId claim : pool_.pod(pod).claims) {
      const ClaimRecord& record = pool_.claim(claim);
      if (record.owner == pod && record.place.has_value())
        notes.charged_milli += Demand{.cards = record.place->requests}.compute_milli();
    }
  }
  used_milli_[notes.charged_to] += notes.charged_milli;
}

void Scheduler::WithdrawOne(PodId pod, Effects* effects) {
  effects->withdrawn.push_back(pool_.pod(pod).spec.uid);
  if (pool_.pod(pod).phase != PodPhase::kAssumed) return;  // it runs, and holds what it has until it is gone
  assumed_.erase({notes_[pod].expires_ns, pod});
  notes_[pod].expires_ns = 0;
  pool_.Release(pod);
  Account(pod);
}

// A placement that was assumed will not be. With a member that does not come a gang that is not whole yet is nothing.
void Scheduler::Withdraw(PodId pod, int64_t now_ns, Effects* effects) {
  const std::optional<UnitId> unit = GangOfPod(pod);
  if (!unit.has_value() || GangOf(*unit).is_whole) {
    WithdrawOne(pod, effects);
    if (unit.has_value()) {
      GangOf(*unit).placed.erase(pod);
      GangOf(*unit).pending.insert(pod);
    }
    Enter(pod, now_ns);
    return SitOut(pod, pod, now_ns);
  }
  Gang& gang = GangOf(*unit);
  const std::set<PodId> members = gang.placed;
  for (const PodId member : members) {
    WithdrawOne(member, effects);
    if (pool_.pod(member).phase != PodPhase::kPending) continue;
    gang.placed.erase(member);
    gang.pending.insert(member);
  }
  if (!gang.placed.empty()) return;  // it waits again when those that run are gone and have come anew
  EnterGang(*unit, now_ns);
  SitOut(*unit, pod, now_ns);
}

void Scheduler::SitOut(UnitId unit, PodId rejected, int64_t now_ns) {
  if (!room_.contains(unit)) return;
  const int doublings = std::min(notes_[rejected].rejections++, kMostDoublings);
  room_.SitOut(unit, now_ns + std::min(options_.most_backoff_ns, options_.backoff_ns << doublings));
}

void Scheduler::ReportBroken(NodeIndex node, Effects* effects) const {
  for (const ClaimId claim : pool_.claims_on(node)) {
    const ClaimRecord& record = pool_.claim(claim);
    if (!HoldsBroken(*record.place, pool_.node(node))) continue;
    for (const PodId pod : record.users) effects->broken.push_back(pool_.pod(pod).spec.uid);
  }
}

// Looks at the nodes that have changed: who could be placed there now is worth a try.
void Scheduler::WakeHelped(Effects* effects) {
  std::vector<NodeIndex> changed = std::exchange(unkept_, {});
  pool_.nodes().ForEachSince(looked_stamp_, [&](NodeIndex node) { changed.push_back(node); });
  looked_stamp_ = pool_.nodes().stamp();
  if (changed.empty()) return;
  std::vector<UnitId> woken;
  room_.WakeWants(
      [&](const Want& want) {
        const NodeFilter* filter = filters_.Find(want.filter);
        if (filter == nullptr) return true;  // it is forgotten: better once too often
        return std::any_of(changed.begin(), changed.end(), [&](NodeIndex node) {
          return (*filter)[node] != 0 && pool_.nodes()[node].Fits(want.demand);
        });
      },
      &woken);
  WakeGangs(changed, &woken);
  for (const UnitId unit : woken) effects->ready.push_back(NameOf(unit));
}

// A gang is worth a try once as many places have come up as it lacked.
void Scheduler::WakeGangs(std::span<const NodeIndex> changed, std::vector<UnitId>* woken) {
  const std::set<UnitId> blocked = blocked_gangs_;
  for (const UnitId unit : blocked) {
    Gang& gang = GangOf(unit);
    for (const NodeIndex node : changed) gang.gained += PlacesOn(pool_.nodes()[node], gang.wanted, kMostCards);
    if (gang.gained < gang.missing) continue;
    blocked_gangs_.erase(unit);
    room_.MakeReady(unit);
    woken->push_back(unit);
  }
}

absl::Status Scheduler::Reserve(const std::string& unit, const std::vector<std::string>& nodes, int64_t start_ns) {
  const std::optional<PodId> pod = pool_.FindPod(unit);
  const auto gang = gang_ids_.find(unit);
  const UnitId id = gang != gang_ids_.end() ? gang->second | kGangBit : pod.value_or(kNobody);
  if (id == kNobody || !room_.contains(id))
    return absl::NotFoundError(absl::StrCat("nobody named \"", unit, "\" is waiting"));
  for (const std::string& name : nodes) {
    const std::optional<NodeIndex> node = pool_.FindNode(name);
    if (!node.has_value()) return absl::NotFoundError(absl::StrCat("there is no node \"", name, "\""));
    const auto kept = reserved_.find(*node);
    if (kept != reserved_.end() && kept->second.unit != id)
      return absl::FailedPreconditionError(absl::StrCat("node ", name, " is kept for ", NameOf(kept->second.unit)));
  }
  for (const std::string& name : nodes) reserved_[*pool_.FindNode(name)] = {id, start_ns};
  return absl::OkStatus();
}

}  // namespace xpool::scheduler
