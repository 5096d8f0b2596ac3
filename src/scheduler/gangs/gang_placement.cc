#include "scheduler/gangs/gang_placement.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace xpool::scheduler {
namespace {

constexpr size_t kMostCells = size_t{1} << 22;  // of the table of the knapsack problem
constexpr size_t kMostDomains = 8;              // that are tried for a gang with several roles

// The largest ones, until that is enough; the last is the smallest that will do.
std::vector<size_t> LargestChildren(std::span<const int> places, int wanted) {
  std::vector<size_t> order(places.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t one, size_t other) { return places[one] > places[other]; });
  std::vector<size_t> chosen;
  size_t next = 0;
  for (; next < order.size() && wanted > places[order[next]]; ++next) {
    wanted -= places[order[next]];
    chosen.push_back(order[next]);
  }
  size_t last = next;
  while (last + 1 < order.size() && places[order[last + 1]] >= wanted) ++last;
  if (last < order.size()) chosen.push_back(order[last]);
  return chosen;
}

class Placing {
 public:
  Placing(const NodeTable& nodes, const TopologyTree& tree, const GangWish& wish,
          absl::FunctionRef<bool(NodeIndex)> accepts)
      : nodes_(nodes), tree_(tree), wish_(wish), accepts_(accepts) {
    Count(wish.roles[0]);
  }

  GangOutcome Place() {
    GangOutcome outcome;
    for (const DomainId domain : DomainsInOrder()) {
      outcome.places.clear();
      if (!FillAll(domain, &outcome.places)) continue;
      outcome.domain = domain;
      return outcome;
    }
    outcome.places.clear();
    outcome.most_places = MostPlaces();
    return outcome;
  }

 private:
  // The places for members of |role| in each domain.
  void Count(const GangRole& role) {
    places_.assign(tree_.size(), 0);
    for (DomainId domain = static_cast<DomainId>(tree_.size()); domain-- > 0;) {
      const NodeIndex node = tree_[domain].node;
      if (node != kNobody && accepts_(node)) places_[domain] = PlacesOn(nodes_[node], role.demand, role.members);
      if (domain != TopologyTree::kRoot) places_[tree_[domain].parent] += places_[domain];
    }
  }

  // Whether |domain| is one of those that would be best, or around such.
  bool IsWideEnough(DomainId domain) const {
    return wish_.level.empty() || wish_.level == kNodeLevel || tree_[domain].level == wish_.level ||
           tree_[domain].depth < tree_.DepthOf(wish_.level);
  }
  bool WillDo(DomainId domain) const {
    return wish_.required && !wish_.level.empty() ? tree_[domain].level == wish_.level : IsWideEnough(domain);
  }

  // With room for the first role, those to be tried first before others.
  std::vector<DomainId> DomainsInOrder() const {
    std::vector<DomainId> domains;
    for (DomainId domain = 0; domain < tree_.size(); ++domain) {
      if (places_[domain] >= wish_.roles[0].members && WillDo(domain)) domains.push_back(domain);
    }
    std::stable_sort(domains.begin(), domains.end(), [&](DomainId one, DomainId other) {
      return tree_[one].depth != tree_[other].depth ? tree_[one].depth > tree_[other].depth
                                                    : places_[one] < places_[other];
    });
    const size_t most = wish_.roles.size() == 1 ? 1 : kMostDomains;
    if (domains.size() > most) {
      const DomainId widest = domains.back();
      domains.resize(most);
      if (most > 1) domains.back() = widest;
    }
    return domains;
  }

  int MostPlaces() const {
    int most = 0;
    for (DomainId domain = 0; domain < tree_.size(); ++domain) {
      if (WillDo(domain)) most = std::max(most, places_[domain]);
    }
    return most;
  }

  bool FillAll(DomainId domain, std::vector<GangPlace>* places) {
    taken_.clear();
    for (size_t role = 0; role < wish_.roles.size(); ++role) {
      if (role > 0) CountAgain(wish_.roles[role]);
      if (places_[domain] < wish_.roles[role].members) {
        if (role > 0) Count(wish_.roles[0]);
        return false;
      }
      Fill(domain, role, wish_.roles[role].members, places);
    }
    return true;
  }

  // Counts for another role, with what has been taken for the ones before.
  void CountAgain(const GangRole& role) {
    Count(role);
    for (const auto& [node, state] : taken_) {
      const DomainId leaf = tree_.LeafOf(node);
      const int now = PlacesOn(state, role.demand, role.members), change = now - places_[leaf];
      for (DomainId domain = leaf;; domain = tree_[domain].parent) {
        places_[domain] += change;
        if (domain == TopologyTree::kRoot) break;
      }
    }
  }

  void Fill(DomainId domain, size_t role, int members, std::vector<GangPlace>* places) {
    if (tree_[domain].node != kNobody) return FillNode(tree_[domain].node, role, members, places);
    const std::vector<DomainId>& children = tree_[domain].children;
    std::vector<int> of_children;
    for (const DomainId child : children) of_children.push_back(places_[child]);
    for (const size_t chosen : FewestChildren(of_children, members)) {
      const int here = std::min(members, of_children[chosen]);
      Fill(children[chosen], role, here, places);
      members -= here;
    }
  }

  void FillNode(NodeIndex node, size_t role, int members, std::vector<GangPlace>* places) {
    NodeState& state = taken_.try_emplace(node, nodes_[node]).first->second;
    const Demand& demand = wish_.roles[role].demand;
    for (int i = 0; i < members; ++i) {
      const Cards cards = TightestCards(state, demand);
      state.Take(demand, cards);
      places->push_back({node, role, cards});
    }
  }

  const NodeTable& nodes_;
  const TopologyTree& tree_;
  const GangWish& wish_;
  const absl::FunctionRef<bool(NodeIndex)> accepts_;
  std::vector<int> places_;                          // by domain
  absl::flat_hash_map<NodeIndex, NodeState> taken_;  // as they are with the members placed so far
};

}  // namespace

GangOutcome PlaceGang(const NodeTable& nodes, const TopologyTree& tree, const GangWish& wish,
                      absl::FunctionRef<bool(NodeIndex)> accepts) {
  return Placing(nodes, tree, wish, accepts).Place();
}

int PlacesOn(NodeState node, const Demand& demand, int most) {
  int places = 0;
  while (places < most && node.Fits(demand)) {
    node.Take(demand, TightestCards(node, demand));
    ++places;
  }
  return places;
}

std::vector<size_t> FewestChildren(std::span<const int> places, int wanted) {
  if (wanted <= 0 || std::accumulate(places.begin(), places.end(), int64_t{0}) < wanted) return {};
  const int largest = *std::max_element(places.begin(), places.end());
  const size_t sums = static_cast<size_t>(wanted) + static_cast<size_t>(largest);  // more is never needed
  if (sums * places.size() > kMostCells) return LargestChildren(places, wanted);
  constexpr int kImpossible = std::numeric_limits<int>::max() - 1;
  std::vector<int> fewest(sums, kImpossible);  // children that sum up to just so many
  std::vector<uint8_t> uses(sums * places.size(), 0);
  fewest[0] = 0;
  for (size_t child = 0; child < places.size(); ++child) {
    const auto of = static_cast<size_t>(places[child]);
    if (of == 0) continue;
    for (size_t sum = sums; sum-- > of;) {
      if (fewest[sum - of] + 1 >= fewest[sum]) continue;
      fewest[sum] = fewest[sum - of] + 1;
      uses[child * sums + sum] = 1;
    }
  }
  const auto enough = fewest.begin() + wanted;
  auto sum = static_cast<size_t>(std::min_element(enough, fewest.end()) - fewest.begin());
  std::vector<size_t> chosen;
  for (size_t child = places.size(); child-- > 0;) {
    if (uses[child * sums + sum] == 0) continue;
    chosen.push_back(child);
    sum -= static_cast<size_t>(places[child]);
  }
  std::reverse(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace xpool::scheduler
