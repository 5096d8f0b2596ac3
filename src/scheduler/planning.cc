#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "scheduler/plans/defragmentation.h"
#include "scheduler/plans/reservation.h"
#include "scheduler/scheduler.h"

namespace xpool::scheduler {

// What |unit| waits for; of a gang with several roles, the most frequent one. Alternatives are not looked at.
absl::StatusOr<Scheduler::Wished> Scheduler::WishOf(const std::string& unit) {
  const auto gang = gang_ids_.find(unit);
  const std::optional<PodId> pod = pool_.FindPod(unit);
  Wished wished{kNobody, kNobody, {}};
  if (gang != gang_ids_.end() && room_.contains(gang->second | kGangBit)) {
    wished.unit = gang->second | kGangBit;
    const Gang& of = GangOf(wished.unit);
    wished.first = *of.pending.begin();
    wished.wish.places = of.spec.min_members;
    wished.wish.level = of.spec.level;
    wished.wish.required = of.spec.required;
  } else if (pod.has_value() && room_.contains(*pod)) {
    wished.unit = wished.first = *pod;
  } else {
    return absl::NotFoundError(absl::StrCat("nobody named \"", unit, "\" is waiting"));
  }
  const std::vector<Attempt> attempts = AttemptsOf(pool_, wished.first);
  if (attempts.empty() || attempts[0].remote.has_value())
    return absl::FailedPreconditionError(absl::StrCat("\"", unit, "\" waits for XPUs of another node"));
  wished.wish.demand = attempts[0].local;
  return wished;
}

absl::StatusOr<Scheduler::Advice> Scheduler::PlanEvictions(const std::string& unit, int64_t now_ns,
                                                           const EvictionOptions& options) {
  ASSIGN_OR_RETURN(const Wished wished, WishOf(unit));
  if (now_ns - room_.entry(wished.unit).since_ns < options.least_wait_ns)
    return absl::FailedPreconditionError(
        absl::StrCat("\"", unit, "\" has not waited long enough to have others stopped"));
  const int32_t priority = pool_.pod(wished.first).spec.priority;
  const NodeFilter filter = FilterOf(wished.first, false);
  const std::optional<EvictionPlan> plan = PlanEviction(
      pool_, Tree(), wished.wish, priority, now_ns, options,
      [&](NodeIndex node) { return filter[node] != 0 && MayUse(node, wished.unit, kNever); },
      [&](PodId pod) { return notes_[pod].since_ns; });
  if (!plan.has_value()) {
    return absl::FailedPreconditionError(absl::StrCat("not even without everything that may be stopped for \"", unit,
                                                      "\" (at most ", options.most_units, " of a priority below ",
                                                      priority, ") would there be room"));
  }
  Advice advice{.victims = {}, .moves = {}, .nodes = {}, .cost = plan->cost};
  for (const PodId victim : plan->victims) advice.victims.push_back(pool_.pod(victim).spec.uid);
  for (const NodeIndex node : plan->nodes) advice.nodes.push_back(pool_.node(node).name);
  return advice;
}

absl::StatusOr<Scheduler::Advice> Scheduler::PlanMoves(const std::string& unit, size_t most_moves) {
  ASSIGN_OR_RETURN(const Wished wished, WishOf(unit));
  const NodeFilter filter = FilterOf(wished.first, false);
  PodId last = kNobody;  // whom the filter below is of
  NodeFilter of_last;
  const std::optional<DefragmentationPlan> plan = PlanDefragmentation(
      pool_, Tree(), wished.wish, *policy_, most_moves,
      [&](NodeIndex node) { return filter[node] != 0 && MayUse(node, wished.unit, kNever); },
      [&](PodId pod, NodeIndex node) {
        if (last != pod) of_last = FilterOf(pod, false);
        last = pod;
        return of_last[node] != 0 && MayUse(node, pod, kNever);
      });
  if (!plan.has_value()) {
    return absl::FailedPreconditionError(absl::StrCat("no ", most_moves, " moves make room for \"", unit, "\""));
  }
  Advice advice;
  for (const Move& move : plan->moves) {
    Placed placed{.pod = pool_.pod(move.pod).spec.uid, .node = pool_.node(move.to).name};
    size_t request = 0;
    for (const ClaimId claim : pool_.pod(move.pod).claims) {
      const size_t requests = pool_.claim(claim).place->requests.size();
      placed.claims.push_back(SeenAt(claim, move.to, std::span(move.cards).subspan(request, requests)));
      request += requests;
    }
    advice.moves.push_back(std::move(placed));
  }
  for (const NodeIndex node : plan->nodes) advice.nodes.push_back(pool_.node(node).name);
  advice.cost = static_cast<double>(plan->moves.size());
  return advice;
}

}  // namespace xpool::scheduler
