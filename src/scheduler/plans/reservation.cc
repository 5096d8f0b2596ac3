#include "scheduler/plans/reservation.h"

#include <algorithm>

namespace xpool::scheduler {
namespace {

// Places that a node brings at a time.
struct Freeing {
  NodeIndex node;
  int64_t at_ns;
  int places;
};

// In the order of time.
std::vector<Freeing> FreeingsOf(const PoolState& pool, const GangRole& role, int64_t now_ns,
                                absl::FunctionRef<bool(NodeIndex)> accepts, absl::FunctionRef<int64_t(PodId)> end_of) {
  std::vector<Freeing> freeings;
  for (NodeIndex node = 0; node < pool.nodes().size(); ++node) {
    if (!pool.node_exists(node) || !accepts(node)) continue;
    const int now = PlacesOn(pool.nodes()[node], role.demand, role.members);
    if (now > 0) freeings.push_back({node, now_ns, now});
    const std::span<const PodId> pods = pool.pods_on(node);
    if (pods.empty()) continue;
    int64_t end_ns = now_ns;
    for (const PodId pod : pods) end_ns = std::max(end_ns, end_of(pod));
    const int then = PlacesOn(pool.StateWithout(node, pods), role.demand, role.members);
    if (then > now) freeings.push_back({node, end_ns, then - now});
  }
  std::stable_sort(freeings.begin(), freeings.end(),
                   [](const Freeing& one, const Freeing& other) { return one.at_ns < other.at_ns; });
  return freeings;
}

// What |domain| is in, itself included, down from the root.
bool IsWithin(const TopologyTree& tree, DomainId domain, DomainId around) {
  while (domain > around) domain = tree[domain].parent;
  return domain == around;
}

}  // namespace

std::optional<ReservationPlan> PlanReservation(const PoolState& pool, const TopologyTree& tree, const GangWish& wish,
                                               int64_t now_ns, absl::FunctionRef<bool(NodeIndex)> accepts,
                                               absl::FunctionRef<int64_t(PodId)> end_of) {
  const std::vector<Freeing> freeings = FreeingsOf(pool, wish.roles[0], now_ns, accepts, end_of);
  // As time goes by, places come up in all domains around a node: the first that has enough will do.
  std::vector<int> places(tree.size(), 0);
  for (const Freeing& freeing : freeings) {
    for (DomainId domain = tree.LeafOf(freeing.node);; domain = tree[domain].parent) {
      places[domain] += freeing.places;
      const bool is_of_level = !wish.required || wish.level.empty() || tree[domain].level == wish.level;
      if (is_of_level && places[domain] >= wish.roles[0].members) {
        ReservationPlan plan{.nodes = {}, .start_ns = freeing.at_ns == kNever ? 0 : freeing.at_ns};
        for (const Freeing& used : freeings) {
          if (IsWithin(tree, tree.LeafOf(used.node), domain)) plan.nodes.push_back(used.node);
          if (&used == &freeing) break;
        }
        std::sort(plan.nodes.begin(), plan.nodes.end());
        plan.nodes.erase(std::unique(plan.nodes.begin(), plan.nodes.end()), plan.nodes.end());
        return plan;
      }
      if (domain == TopologyTree::kRoot) break;
    }
  }
  return std::nullopt;
}

}  // namespace xpool::scheduler
