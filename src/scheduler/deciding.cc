#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "scheduler/plans/reservation.h"
#include "scheduler/plans/sparing.h"
#include "scheduler/pool/apart.h"
#include "scheduler/scheduler.h"

namespace xpool::scheduler {
namespace {

constexpr char kTooManyRequests[] = "claims of one pod have more requests together than it may have";
constexpr size_t kMostReservations = 4;  // gangs that nodes are kept for at a time
constexpr size_t kSparedOneIn = 16;      // nodes that are spared at a time
constexpr size_t kNodesADecision = 6;    // looks at a large pool are so far apart, as one decision changes it less

// Whether |node| is in the domain that |path| leads to.
bool IsWithin(const NodeSpec& node, const std::vector<Domain>& path) {
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i].level == kNodeLevel) return node.name == path[i].name;
    if (i >= node.topology.size() || node.topology[i] != path[i]) return false;
  }
  return true;
}

std::vector<Domain> PathTo(const TopologyTree& tree, DomainId domain) {
  std::vector<Domain> path;
  for (; domain != TopologyTree::kRoot; domain = tree[domain].parent)
    path.push_back({tree[domain].level, tree[domain].name});
  std::reverse(path.begin(), path.end());
  return path;
}

}  // namespace

std::optional<Decision> Scheduler::Decide(int64_t now_ns) {
  const std::optional<UnitId> unit = room_.TakeNext(*order_, now_ns, [&](const std::string& queue) {
    const auto used = used_milli_.find(queue);
    return used == used_milli_.end() ? 0 : used->second;
  });
  if (!unit.has_value()) return std::nullopt;
  if (--until_look_ < 0) {
    policy_->Observe(pool_.nodes(), meter_.flow());
    until_look_ = std::max(options_.decisions_between_looks, static_cast<int>(pool_.nodes().size() / kNodesADecision));
  }
  const std::string queue = room_.entry(*unit).queue;
  Decision decision;
  if (HasQuota(*unit)) {
    decision = IsGang(*unit) ? DecideGang(*unit, now_ns) : DecidePod(*unit, now_ns);
    std::vector<UnitId> woken;
    room_.WakeQueue(queue, &woken);  // whose turn it was waits for quota no more
  } else {
    decision.unit = NameOf(*unit);
    decision.is_gang = IsGang(*unit);
    decision.why = absl::StrCat("queue \"", queue, "\" has used up its quota");
    room_.BlockForQuota(*unit);
  }
  if (!decision.placed.empty()) EndReservation(*unit);
  looked_stamp_ = pool_.nodes().stamp();  // what was only taken helps nobody
  Effects effects;
  if (!unkept_.empty()) WakeHelped(&effects);
  return decision;
}

bool Scheduler::HasQuota(UnitId unit) {
  const WaitingRoom::Entry& entry = room_.entry(unit);
  const int64_t quota = room_.queue(entry.queue).quota_compute_milli;
  if (quota < 0) return true;
  int64_t asked = 0;
  const auto add = [&](PodId pod) {
    const std::vector<Attempt> attempts = AttemptsOf(pool_, pod);
    if (attempts.empty()) return;
    asked += attempts[0].local.compute_milli() + (attempts[0].remote ? attempts[0].remote->compute_milli() : 0);
  };
  if (IsGang(unit)) {
    for (const PodId member : GangOf(unit).pending) add(member);
  } else {
    add(unit);
  }
  return used_milli_[entry.queue] + asked <= quota;
}

// What is kept for somebody may be used by him, and by whoever has gone when he starts.
bool Scheduler::MayUse(NodeIndex node, UnitId unit, int64_t ends_ns) const {
  if (reserved_.empty()) return true;
  const auto kept = reserved_.find(node);
  return kept == reserved_.end() || kept->second.unit == unit || ends_ns <= kept->second.start_ns;
}

// Whatever is kept or spared for |unit|.
void Scheduler::EndReservation(UnitId unit) {
  EndSparing(unit);
  absl::erase_if(reserved_, [&](const auto& kept) {
    if (kept.second.unit == unit) unkept_.push_back(kept.first);
    return kept.second.unit == unit;
  });
}

std::string Scheduler::FilterKeyOf(PodId pod, bool is_remote) {
  const PodSpec& spec = pool_.pod(pod).spec;
  return filters_.KeyOf(is_remote ? Labels() : spec.node_selector, spec.tolerations);
}

const NodeFilter& Scheduler::FilterOf(PodId pod, bool is_remote) { return *filters_.Find(FilterKeyOf(pod, is_remote)); }

Lacks Scheduler::LacksOf(const Demand& demand, const NodeFilter& filter, UnitId unit, int64_t ends_ns) const {
  Lacks lacks;
  for (NodeIndex node = 0; node < pool_.nodes().size(); ++node) {
    if (!pool_.node_exists(node)) continue;
    Lack lack = Lack::kNothing;
    if (filter[node] == 0) {
      lack = Lack::kPermission;
    } else {
      lack = LackOf(pool_.nodes()[node], demand);
      if (lack == Lack::kNothing && !MayUse(node, unit, ends_ns)) lack = Lack::kReserved;
    }
    ++lacks[lack];
  }
  return lacks;
}

// Where a pod would go.
struct Scheduler::Found {
  const Attempt* attempt;
  Choice local;
  std::optional<Choice> remote;
};

Decision Scheduler::DecidePod(PodId pod, int64_t now_ns) {
  Decision decision{.unit = NameOf(pod)};
  const std::vector<Attempt> attempts = AttemptsOf(pool_, pod);
  for (size_t i = 0; i < attempts.size(); ++i) {
    std::optional<Found> found = Find(pod, attempts[i], now_ns);
    if (i + 1 < attempts.size() && attempts[i + 1].is_other_way) {
      std::optional<Found> other = Find(pod, attempts[++i], now_ns);
      if (other.has_value() && (!found.has_value() || IsBetter(*other, *found))) found = std::move(other);
    }
    if (!found.has_value()) continue;
    Take(pod, *found, now_ns, &decision);
    return decision;
  }
  std::vector<Want> wants;
  for (const Attempt& attempt : attempts) {
    wants.push_back({attempt.local, FilterKeyOf(pod, false)});
    if (attempt.remote.has_value()) wants.push_back({*attempt.remote, FilterKeyOf(pod, true)});
  }
  WhyNot(pod, attempts, now_ns, &decision);
  room_.Block(pod, wants);
  if (policy_->spares_nodes() && !attempts.empty() && !attempts[0].remote.has_value())
    SpareNode(pod, attempts[0].local, now_ns);
  return decision;
}

// Says why |pod| is blocked, in the first of its attempts.
void Scheduler::WhyNot(PodId pod, const std::vector<Attempt>& attempts, int64_t now_ns, Decision* decision) {
  NodeIndex pinned = kNobody;
  if (attempts.empty()) {
    decision->why = kTooManyRequests;
  } else if (!PinnedTo(pool_, pod, &pinned)) {
    decision->why = "claims that it shares are on different nodes";
  } else if (pinned != kNobody) {
    decision->why = absl::StrCat("node ", pool_.node(pinned).name, ", where a claim that it shares is, lacks ",
                                 scheduler::NameOf(LackOf(pool_.nodes()[pinned], attempts[0].local)));
  } else {
    const bool is_remote = attempts[0].remote.has_value();
    decision->lacks =
        LacksOf(is_remote ? *attempts[0].remote : attempts[0].local, FilterOf(pod, is_remote), pod, EndOf(pod, now_ns));
    decision->why = decision->lacks.ToString();
  }
}

bool Scheduler::IsSparedForOther(NodeIndex node, PodId pod) const {
  if (spared_.empty()) return false;
  const auto spared = spared_.find(node);
  return spared != spared_.end() && spared->second != pod;
}

// For |pod|, which is blocked; another one than before, if that is better now.
void Scheduler::SpareNode(PodId pod, const Demand& demand, int64_t now_ns) {
  EndSparing(pod);
  if (spared_.size() >= std::max<size_t>(1, pool_.nodes().size() / kSparedOneIn)) return;
  const NodeFilter& filter = FilterOf(pod, false);
  const std::optional<NodeIndex> node = NodeToSpare(
      pool_, demand, now_ns,
      [&](NodeIndex node) { return filter[node] != 0 && MayUse(node, pod, kNever) && !spared_.contains(node); },
      [&](PodId running) { return EndOf(running, notes_[running].since_ns); });
  if (node.has_value()) spared_[*node] = pod;
}

void Scheduler::EndSparing(PodId pod) {
  absl::erase_if(spared_, [&](const auto& spared) { return spared.second == pod; });
}

// Where nothing is spared for others, and else anywhere.
std::optional<Scheduler::Found> Scheduler::Find(PodId pod, const Attempt& attempt, int64_t now_ns) {
  if (!spared_.empty()) {
    std::optional<Found> found = Find(pod, attempt, now_ns, true);
    if (found.has_value()) return found;
  }
  return Find(pod, attempt, now_ns, false);
}

std::optional<Scheduler::Found> Scheduler::Find(PodId pod, const Attempt& attempt, int64_t now_ns, bool sparing) {
  NodeIndex pinned = kNobody;
  if (!PinnedTo(pool_, pod, &pinned)) return std::nullopt;
  const int64_t ends_ns = EndOf(pod, now_ns);
  const std::optional<UnitId> gang = GangOfPod(pod);
  const std::vector<Domain>* domain = gang.has_value() && GangOf(*gang).spec.required ? &GangOf(*gang).domain : nullptr;
  const auto may_use = [&](NodeIndex node) {
    return MayUse(node, pod, ends_ns) && !(sparing && IsSparedForOther(node, pod));
  };
  const NodeFilter filter = FilterOf(pod, false);
  const auto accepts = [&](NodeIndex node) {
    return filter[node] != 0 && (pinned == kNobody || node == pinned) && may_use(node) &&
           (domain == nullptr || IsWithin(pool_.node(node), *domain));
  };
  if (!attempt.remote.has_value()) {
    const std::optional<Choice> choice = placer_->Place(pool_.nodes(), attempt.local, accepts);
    return choice.has_value() ? std::optional(Found{&attempt, *choice, std::nullopt}) : std::nullopt;
  }
  const NodeFilter& lenders = FilterOf(pod, true);
  const std::optional<Apart> apart = PlaceApart(
      *placer_, pool_.nodes(), {*attempt.remote, attempt.local},
      [&](NodeIndex node) { return lenders[node] != 0 && node != pinned && may_use(node); }, accepts);
  return apart.has_value() ? std::optional(Found{&attempt, apart->rest, apart->lent}) : std::nullopt;
}

// Whether what is |apart| costs the pool less than what is |together|.
bool Scheduler::IsBetter(const Found& apart, const Found& together) const {
  return !together.remote.has_value() && IsBetterApart(*policy_, pool_.nodes(), together.attempt->local, together.local,
                                                       {*apart.attempt->remote, apart.attempt->local},
                                                       {*apart.remote, apart.local}, options_.network_cost);
}

void Scheduler::Take(PodId pod, const Found& found, int64_t now_ns, Decision* decision) {
  const NodeState before = pool_.nodes()[found.local.node];
  Hold(pod, *found.attempt, found.local.node, found.local.cards, found.remote ? found.remote->node : kNobody,
       found.remote ? found.remote->cards : Cards{}, now_ns);
  decision->placed.push_back(Describe(pod));
  Explain(found.local, found.attempt->local, before, &decision->placed.back());
  room_.Remove(pod);
  std::vector<UnitId> woken;
  room_.WakeNextLike({{found.attempt->local, FilterKeyOf(pod, false)}}, &woken);
}

void Scheduler::Hold(PodId pod, const Attempt& attempt, NodeIndex node, const Cards& cards, NodeIndex remote_node,
                     const Cards& remote_cards, int64_t now_ns) {
  pool_.Assume(pod, node, PlacesOf(attempt, node, cards, remote_node, remote_cards));
  notes_[pod].since_ns = now_ns;
  notes_[pod].expires_ns = now_ns + options_.assume_for_ns;
  assumed_.insert({notes_[pod].expires_ns, pod});
  Account(pod);
  const std::optional<UnitId> gang = GangOfPod(pod);
  if (!gang.has_value()) return;
  GangOf(*gang).pending.erase(pod);
  GangOf(*gang).placed.insert(pod);
}

// |claim| as it would be seen on |node|, each of its requests on those of |cards|.
SeenClaim Scheduler::SeenAt(ClaimId claim, NodeIndex node, std::span<const CardSet> cards) const {
  const ClaimRecord& record = pool_.claim(claim);
  SeenClaim seen{.claim = record.spec.uid, .node = pool_.node(node).name, .alternatives = record.place->alternatives};
  for (const CardSet of_request : cards) seen.xpus.push_back(NumbersOf(of_request));
  return seen;
}

Placed Scheduler::Describe(PodId pod) const {
  const PodRecord& record = pool_.pod(pod);
  Placed placed{.pod = record.spec.uid, .node = pool_.node(record.node).name};
  for (const ClaimId claim : record.claims) {
    const ClaimPlace& place = *pool_.claim(claim).place;
    placed.claims.push_back(SeenAt(claim, place.node, std::span(place.cards).first(place.requests.size())));
  }
  return placed;
}

void Scheduler::Explain(const Choice& choice, const Demand& demand, const NodeState& before, Placed* placed) const {
  NodeState after = before;
  after.Take(demand, choice.cards);
  placed->score = choice.score;
  placed->parts = policy_->Explain(demand, before, after);
  if (!choice.runner_up.has_value()) return;
  placed->runner_up = pool_.node(choice.runner_up->node).name;
  placed->runner_up_score = choice.runner_up->score;
}

const TopologyTree& Scheduler::Tree() {
  if (!tree_.has_value() || tree_stamp_ != pool_.specs_stamp()) tree_.emplace(pool_);
  tree_stamp_ = pool_.specs_stamp();
  return *tree_;
}

// Members of a gang, by what they ask for.
struct Scheduler::Team {
  GangWish wish;
  std::vector<Attempt> attempts;                // of each member
  std::vector<std::vector<size_t>> members_of;  // of each role
  NodeFilter filter;                            // of all of them
  const char* problem = nullptr;                // why it cannot be placed at all
};

Scheduler::Team Scheduler::TeamOf(const GangSpec& gang, std::span<const PodId> members, size_t attempt) {
  Team team{.wish = {.roles = {}, .level = gang.level, .required = gang.required}};
  std::set<std::string> filters;
  std::map<Demand, std::vector<size_t>> by_demand;
  for (size_t i = 0; i < members.size(); ++i) {
    std::vector<Attempt> all = AttemptsOf(pool_, members[i]);
    if (all.empty()) team.problem = kTooManyRequests;
    team.attempts.push_back(all.empty() ? Attempt() : std::move(all[std::min(attempt, all.size() - 1)]));
    if (team.attempts.back().remote.has_value()) team.problem = "members of a gang use XPUs of their own node";
    by_demand[team.attempts.back().local].push_back(i);
    if (!filters.insert(FilterKeyOf(members[i], false)).second) continue;
    const NodeFilter& filter = FilterOf(members[i], false);
    team.filter.resize(filter.size(), 1);
    for (size_t node = 0; node < filter.size(); ++node) team.filter[node] &= filter[node];
  }
  std::vector<std::pair<Demand, std::vector<size_t>>> roles(by_demand.begin(), by_demand.end());
  std::stable_sort(roles.begin(), roles.end(), [](const auto& one, const auto& other) {
    return one.first.compute_milli() > other.first.compute_milli();
  });
  for (auto& [demand, of] : roles) {
    team.wish.roles.push_back({demand, static_cast<int>(of.size())});
    team.members_of.push_back(std::move(of));
  }
  return team;
}

Decision Scheduler::DecideGang(UnitId unit, int64_t now_ns) {
  Gang& gang = GangOf(unit);
  Decision decision{.unit = gang.name, .is_gang = true};
  const std::vector<PodId> members(gang.pending.begin(), gang.pending.end());
  size_t most_attempts = 0;
  for (const PodId member : members) most_attempts = std::max(most_attempts, AttemptsOf(pool_, member).size());
  const std::span<const PodId> least =
      std::span(members).first(std::min(members.size(), static_cast<size_t>(gang.spec.min_members)));
  for (size_t attempt = 0; attempt < most_attempts; ++attempt) {
    // All that have come, or as many as it cannot do without.
    if (TryGang(unit, members, attempt, now_ns, &decision) ||
        (least.size() < members.size() && TryGang(unit, least, attempt, now_ns, &decision))) {
      room_.Remove(unit);
      const std::set<PodId> rest = gang.pending;
      for (const PodId member : rest) Enter(member, now_ns);
      return decision;
    }
  }
  if (options_.reserve_after_ns >= 0 && now_ns - room_.entry(unit).since_ns >= options_.reserve_after_ns)
    ReserveForGang(unit, TeamOf(gang.spec, least, 0), now_ns);
  room_.Block(unit, {});
  blocked_gangs_.insert(unit);
  gang.gained = 0;
  return decision;
}

bool Scheduler::TryGang(UnitId unit, std::span<const PodId> members, size_t attempt, int64_t now_ns,
                        Decision* decision) {
  Gang& gang = GangOf(unit);
  const Team team = TeamOf(gang.spec, members, attempt);
  if (team.problem != nullptr) {
    decision->why = team.problem;
    return false;
  }
  const int64_t ends_ns = EndOf(members[0], now_ns);
  const TopologyTree& tree = Tree();
  const GangOutcome outcome = PlaceGang(pool_.nodes(), tree, team.wish, [&](NodeIndex node) {
    return MayUse(node, unit, ends_ns) && team.filter[node] != 0;
  });
  if (!outcome.domain.has_value()) {
    const GangRole& first = team.wish.roles[0];
    const std::string where = team.wish.required ? absl::StrCat(" in one ", team.wish.level) : "";
    decision->lacks = LacksOf(first.demand, team.filter, unit, ends_ns);
    decision->why = absl::StrCat(outcome.most_places, " of ", first.members, " members fit", where, "; ",
                                 decision->lacks.ToString());
    gang.wanted = first.demand;
    gang.missing = std::max(1, first.members - outcome.most_places);
    return false;
  }
  gang.domain = PathTo(tree, *outcome.domain);
  decision->domain = tree.PathOf(*outcome.domain);
  decision->why.clear();
  decision->lacks = {};
  std::vector<size_t> placed(team.wish.roles.size(), 0);  // of each role
  for (const GangPlace& place : outcome.places) {
    const size_t member = team.members_of[place.role][placed[place.role]++];
    Hold(members[member], team.attempts[member], place.node, place.cards, kNobody, {}, now_ns);
    decision->placed.push_back(Describe(members[member]));
  }
  return true;
}

// Keeps the nodes for a gang on which it can start the soonest, as far as that can be told.
void Scheduler::ReserveForGang(UnitId unit, const Team& team, int64_t now_ns) {
  absl::flat_hash_set<UnitId> kept_for;
  for (const auto& [node, kept] : reserved_) kept_for.insert(kept.unit);
  if (kept_for.contains(unit) || kept_for.size() >= kMostReservations) return;
  const std::optional<ReservationPlan> plan = PlanReservation(
      pool_, Tree(), team.wish, now_ns,
      [&](NodeIndex node) { return !reserved_.contains(node) && team.filter[node] != 0; },
      [&](PodId pod) { return EndOf(pod, notes_[pod].since_ns); });
  if (!plan.has_value()) return;
  for (const NodeIndex node : plan->nodes) reserved_[node] = {unit, plan->start_ns};
}

// When a pod that starts at |start_ns| will have ended; kNever when that is not known.
int64_t Scheduler::EndOf(PodId pod, int64_t start_ns) const {
  const int64_t duration = pool_.pod(pod).spec.duration_ns;
  return duration == 0 || duration > kNever - start_ns ? kNever : start_ns + duration;
}

}  // namespace xpool::scheduler
