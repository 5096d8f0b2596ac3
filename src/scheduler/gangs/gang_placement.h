// Places for a gang: all of its members, or nothing, in the tightest domain of the topology that has room for them, so
// that they are close and that large blocks stay whole for others. Pure.
//
// How: the places for a member are counted on each node and summed up the tree. Of the narrowest level at which a
// domain has enough, the domain with the fewest is taken. Down from there, at each domain, the fewest children that
// have enough together are chosen, and among those choices the one that has the fewest places (the knapsack problem, by
// dynamic programming over the children).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "scheduler/gangs/topology_tree.h"

namespace xpool::scheduler {

// So many members that ask for the same.
struct GangRole {
  Demand demand;
  int members = 0;
};

struct GangPlace {
  NodeIndex node = 0;
  size_t role = 0;
  Cards cards{};
};

struct GangOutcome {
  std::optional<DomainId> domain;  // that holds all; nothing when there is none
  std::vector<GangPlace> places;   // a member each
  int most_places = 0;             // for members of the first role, in one domain that would do, when there is none
};

struct GangWish {
  std::vector<GangRole> roles;  // the most demanding first
  std::string level;            // of a domain that holds all; "": none in particular
  bool required = false;        // no wider one will do
};

// |accepts|: the nodes that may be used.
GangOutcome PlaceGang(const NodeTable& nodes, const TopologyTree& tree, const GangWish& wish,
                      absl::FunctionRef<bool(NodeIndex)> accepts);

// How many of |demand| can be placed on |node|, |most| at most.
int PlacesOn(NodeState node, const Demand& demand, int most);

// Which of |places| to use so that they sum up to |wanted| at least: the fewest of them, and among the fewest the ones
// with the least sum; the first of equals. Empty when all together are not enough.
std::vector<size_t> FewestChildren(std::span<const int> places, int wanted);

}  // namespace xpool::scheduler
