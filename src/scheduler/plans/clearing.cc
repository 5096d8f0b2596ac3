#include "scheduler/plans/clearing.h"

#include <algorithm>
#include <limits>
#include <queue>
#include <set>

namespace xpool::scheduler {
namespace {

constexpr double kImpossible = std::numeric_limits<double>::infinity();
constexpr size_t kMostForExact = 16;  // units on a node, of which all subsets are looked at

// A unit that holds something on a node: its number, and those of its pods.
struct Tenant {
  size_t unit;
  std::vector<PodId> pods;
};

class Search {
 public:
  Search(const PoolState& pool, const TopologyTree& tree, const ClearingWish& wish, const std::vector<GoingUnit>& units,
         size_t most_units, absl::FunctionRef<bool(NodeIndex)> accepts)
      : pool_(pool), tree_(tree), wish_(wish), units_(units), most_units_(most_units), accepts_(accepts) {
    tenants_.resize(pool.nodes().size());
    for (size_t unit = 0; unit < units.size(); ++unit) {
      for (const PodId pod : units[unit].pods) {
        for (const NodeIndex node : NodesOf(pod)) {
          if (tenants_[node].empty() || tenants_[node].back().unit != unit) tenants_[node].push_back({unit, {}});
          tenants_[node].back().pods.push_back(pod);
        }
      }
    }
    for (std::vector<Tenant>& on : tenants_) {
      std::stable_sort(on.begin(), on.end(), [&](const Tenant& one, const Tenant& other) {
        return units_[one.unit].cost < units_[other.unit].cost;
      });
    }
  }

  std::optional<Clearing> Find() {
    std::optional<Clearing> best;
    if (wish_.places == 1) {
      best = CheapestNode();
    } else {
      for (DomainId domain = 0; domain < tree_.size(); ++domain) {
        if (!WillDo(domain)) continue;
        std::optional<Clearing> found = ClearDomain(domain, best.has_value() ? best->cost : kImpossible);
        if (found.has_value() && (!best.has_value() || found->cost < best->cost)) best = std::move(found);
      }
    }
    return best;
  }

 private:
  // Where a pod holds something.
  std::vector<NodeIndex> NodesOf(PodId pod) const {
    std::vector<NodeIndex> nodes = {pool_.pod(pod).node};
    for (const ClaimId claim : pool_.pod(pod).claims) {
      if (pool_.claim(claim).place.has_value()) nodes.push_back(pool_.claim(claim).place->node);
    }
    std::sort(nodes.begin(), nodes.end());
    nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
    return nodes;
  }

  bool WillDo(DomainId domain) const {
    if (wish_.level.empty()) return domain == TopologyTree::kRoot;
    return tree_[domain].level == wish_.level || (!wish_.required && domain == TopologyTree::kRoot);
  }

  bool MayUse(NodeIndex node) const { return pool_.node_exists(node) && accepts_(node); }

  int PlacesWithout(NodeIndex node, const std::vector<size_t>& gone, int most) const {
    std::vector<PodId> pods;
    for (const Tenant& tenant : tenants_[node]) {
      if (std::find(gone.begin(), gone.end(), tenant.unit) != gone.end())
        pods.insert(pods.end(), tenant.pods.begin(), tenant.pods.end());
    }
    return PlacesOn(pool_.StateWithout(node, pods), wish_.demand, most);
  }

  // Those of |node|'s units that are in |gone|.
  std::vector<size_t> GoneFrom(NodeIndex node, const std::set<size_t>& gone) const {
    std::vector<size_t> here;
    for (const Tenant& tenant : tenants_[node]) {
      if (gone.contains(tenant.unit)) here.push_back(tenant.unit);
    }
    return here;
  }

  // The cheapest of all sets of units on |node| that makes one place, cheaper than |below|; by branch and bound.
  void CheapestSet(NodeIndex node, size_t next, std::vector<size_t>* gone, double cost, double* below,
                   std::vector<size_t>* best) const {
    if (PlacesWithout(node, *gone, 1) > 0) {
      *below = cost;
      *best = *gone;
      return;
    }
    if (gone->size() >= most_units_) return;
    for (size_t i = next; i < tenants_[node].size(); ++i) {
      const size_t unit = tenants_[node][i].unit;
      if (cost + units_[unit].cost >= *below) return;  // so are all that come after it
      gone->push_back(unit);
      CheapestSet(node, i + 1, gone, cost + units_[unit].cost, below, best);
      gone->pop_back();
    }
  }

  std::optional<Clearing> CheapestNode() const {
    double below = kImpossible;
    std::optional<Clearing> best;
    for (NodeIndex node = 0; node < tenants_.size(); ++node) {
      std::vector<size_t> all;
      for (const Tenant& tenant : tenants_[node]) all.push_back(tenant.unit);
      if (!MayUse(node) || PlacesWithout(node, all, 1) == 0) continue;
      std::vector<size_t> gone, cheapest;
      const double before = below;
      if (all.size() <= kMostForExact) {
        CheapestSet(node, 0, &gone, 0, &below, &cheapest);
      } else {
        cheapest = NextStep(node, {}, 0);
        const double cost = CostOf(cheapest, {});
        if (cheapest.size() <= most_units_ && cost < below) below = cost;
      }
      if (below < before) best = Clearing{cheapest, {node}, below};
    }
    return best;
  }

  double CostOf(const std::vector<size_t>& units, const std::set<size_t>& gone) const {
    double cost = 0;
    for (const size_t unit : units) cost += gone.contains(unit) ? 0 : units_[unit].cost;
    return cost;
  }

  // Further units of |node| that must go, besides |gone|, for more than |places|: the cheapest until it is enough, less
  // those that were not needed. Empty when even all would not be.
  std::vector<size_t> NextStep(NodeIndex node, const std::vector<size_t>& gone, int places) const {
    std::vector<size_t> all = gone, step;
    for (const Tenant& tenant : tenants_[node]) {
      if (std::find(gone.begin(), gone.end(), tenant.unit) != gone.end()) continue;
      all.push_back(tenant.unit);
      step.push_back(tenant.unit);
      if (PlacesWithout(node, all, wish_.places) > places) break;
    }
    if (step.empty() || PlacesWithout(node, all, wish_.places) <= places) return {};
    for (size_t i = step.size(); i-- > 0;) {
      std::vector<size_t> fewer = gone;
      for (size_t j = 0; j < step.size(); ++j) {
        if (j != i) fewer.push_back(step[j]);
      }
      if (PlacesWithout(node, fewer, wish_.places) > places) step.erase(step.begin() + static_cast<std::ptrdiff_t>(i));
    }
    return step;
  }

  // What could be done next on a node.
  struct Step {
    NodeIndex node;
    std::vector<size_t> units;
    int gain;
    double ratio;                                                // cost of a place
    friend bool operator<(const Step& one, const Step& other) {  // the least ratio on top of the heap
      return one.ratio != other.ratio ? one.ratio > other.ratio : one.node > other.node;
    }
  };

  std::optional<Step> StepOn(NodeIndex node, const std::set<size_t>& gone) const {
    const std::vector<size_t> here = GoneFrom(node, gone);
    const int places = PlacesWithout(node, here, wish_.places);
    Step step{node, NextStep(node, here, places), 0, 0};
    if (step.units.empty()) return std::nullopt;
    std::vector<size_t> then = here;
    then.insert(then.end(), step.units.begin(), step.units.end());
    step.gain = PlacesWithout(node, then, wish_.places) - places;
    step.ratio = CostOf(step.units, gone) / step.gain;
    return step;
  }

  void NodesIn(DomainId domain, std::vector<NodeIndex>* nodes) const {
    if (tree_[domain].node != kNobody && MayUse(tree_[domain].node)) nodes->push_back(tree_[domain].node);
    for (const DomainId child : tree_[domain].children) NodesIn(child, nodes);
  }

  int PlacesGiven(NodeIndex node, const std::set<size_t>& gone) const {
    return PlacesWithout(node, GoneFrom(node, gone), wish_.places);
  }

  std::optional<Clearing> ClearDomain(DomainId domain, double below) const {
    std::vector<NodeIndex> nodes;
    NodesIn(domain, &nodes);
    std::set<size_t> gone;
    absl::flat_hash_map<NodeIndex, int> places;
    int sum = 0;
    std::priority_queue<Step> steps;
    for (const NodeIndex node : nodes) {
      sum += places[node] = PlacesGiven(node, gone);
      if (sum >= wish_.places) continue;
      if (auto step = StepOn(node, gone); step.has_value()) steps.push(std::move(*step));
    }
    double cost = 0;
    while (sum < wish_.places) {
      if (steps.empty() || gone.size() > most_units_) return std::nullopt;
      const Step step = steps.top();
      steps.pop();
      // Units of several nodes may have gone since: it is looked at again, and taken if it still is the best.
      const std::optional<Step> now = StepOn(step.node, gone);
      if (!now.has_value()) continue;
      if (!steps.empty() && now->ratio > steps.top().ratio) {
        steps.push(*now);
        continue;
      }
      cost += CostOf(now->units, gone);
      if (cost >= 2 * below) return std::nullopt;  // what is not needed will not be half of it
      gone.insert(now->units.begin(), now->units.end());
      for (const NodeIndex node : NodesOfUnits(now->units)) {
        const auto known = places.find(node);
        if (known == places.end()) continue;
        sum -= known->second;
        sum += known->second = PlacesGiven(node, gone);
      }
      if (auto next = StepOn(step.node, gone); next.has_value()) steps.push(std::move(*next));
    }
    return Pruned(nodes, std::move(places), sum, std::move(gone));
  }

  std::vector<NodeIndex> NodesOfUnits(const std::vector<size_t>& units) const {
    std::vector<NodeIndex> nodes;
    for (const size_t unit : units) {
      for (const PodId pod : units_[unit].pods) {
        for (const NodeIndex node : NodesOf(pod)) nodes.push_back(node);
      }
    }
    std::sort(nodes.begin(), nodes.end());
    nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
    return nodes;
  }

  // Without what is not needed, the dearest first.
  std::optional<Clearing> Pruned(const std::vector<NodeIndex>& nodes, absl::flat_hash_map<NodeIndex, int> places,
                                 int sum, std::set<size_t> gone) const {
    std::vector<size_t> order(gone.begin(), gone.end());
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t one, size_t other) { return units_[one].cost > units_[other].cost; });
    for (const size_t unit : order) {
      gone.erase(unit);
      int without = sum;
      std::vector<std::pair<NodeIndex, int>> changed;
      for (const NodeIndex node : NodesOfUnits({unit})) {
        const auto known = places.find(node);
        if (known == places.end()) continue;
        changed.emplace_back(node, PlacesGiven(node, gone));
        without += changed.back().second - known->second;
      }
      if (without < wish_.places) {
        gone.insert(unit);
        continue;
      }
      sum = without;
      for (const auto& [node, of] : changed) places[node] = of;
    }
    if (gone.size() > most_units_) return std::nullopt;
    Clearing clearing;
    clearing.units.assign(gone.begin(), gone.end());
    for (const size_t unit : gone) clearing.cost += units_[unit].cost;
    for (const NodeIndex node : nodes) {
      if (places.at(node) > 0) clearing.nodes.push_back(node);
    }
    return clearing;
  }

  const PoolState& pool_;
  const TopologyTree& tree_;
  const ClearingWish& wish_;
  const std::vector<GoingUnit>& units_;
  const size_t most_units_;
  const absl::FunctionRef<bool(NodeIndex)> accepts_;
  std::vector<std::vector<Tenant>> tenants_;  // by node, the cheapest first
};

}  // namespace

std::optional<Clearing> FindClearing(const PoolState& pool, const TopologyTree& tree, const ClearingWish& wish,
                                     const std::vector<GoingUnit>& units, size_t most_units,
                                     absl::FunctionRef<bool(NodeIndex)> accepts) {
  return Search(pool, tree, wish, units, most_units, accepts).Find();
}

}  // namespace xpool::scheduler
