#include "scheduler/pool/pool_state.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace xpool::scheduler {
namespace {

// The slot of a new record in |records|: a free one, or one more.
template <typename Record>
uint32_t NewSlot(std::vector<Record>* records, std::vector<uint32_t>* free) {
  if (free->empty()) {
    records->emplace_back();
    return static_cast<uint32_t>(records->size() - 1);
  }
  const uint32_t slot = free->back();
  free->pop_back();
  return slot;
}

void Remove(uint32_t what, std::vector<uint32_t>* from) {
  const auto found = std::find(from->begin(), from->end(), what);
  if (found == from->end()) return;
  *found = from->back();
  from->pop_back();
}

template <typename Key, typename Value>
std::optional<Value> Find(const absl::flat_hash_map<Key, Value>& map, const Key& key) {
  const auto found = map.find(key);
  return found == map.end() ? std::nullopt : std::optional(found->second);
}

// What is left of |idle| once |taken| is; 0 when that is more.
template <typename Number>
Number Less(Number idle, Number taken) {
  return idle < taken ? 0 : static_cast<Number>(idle - taken);
}

// Takes |compute| and |bytes| of each of |cards|; of less than there is, all.
void Hold(CardSet cards, uint16_t compute, uint64_t bytes, NodeState* state) {
  for (unsigned set = cards; set != 0; set &= set - 1) {
    const int index = std::countr_zero(set);
    if (index >= static_cast<int>(state->cards().size())) break;  // there were more once
    CardState card = state->cards()[index];
    card.idle = Less(card.idle, compute);
    card.idle_bytes = Less(card.idle_bytes, bytes);
    state->SetCard(index, card);
  }
  const bool shares = std::has_single_bit(cards) && compute < Share::Full().basis_points();
  if (cards != 0) state->kinds |= uint32_t{1} << (shares ? 0 : std::popcount(cards));
}

}  // namespace

std::vector<CardRequest> Resolve(const ClaimSpec& claim, std::span<const uint8_t> alternatives, const KindTable& kinds,
                                 uint8_t together) {
  std::vector<CardRequest> requests;
  for (size_t i = 0; i < claim.requests.size(); ++i) {
    const Request& request = claim.requests[i][alternatives[i]];
    requests.push_back({.count = static_cast<uint8_t>(request.count),
                        .compute = request.compute,
                        .memory_bytes = request.memory_bytes,
                        .models = kinds.Matching(request.models, request.attributes),
                        .together = claim.one_island ? together : uint8_t{0}});
  }
  return requests;
}

NodeIndex PoolState::NodeOf(const std::string& name) {
  const auto [found, is_new] = node_ids_.try_emplace(name, 0);
  if (is_new) {
    found->second = NewSlot(&node_records_, &free_nodes_);
    if (found->second == nodes_.size()) nodes_.Add({});
    NodeRecord& record = node_records_[found->second];
    record.spec = {};
    record.spec.name = name;
    record.capacity = {};
    record.spec_stamp = ++specs_stamp_;
    WorkOut(found->second);
  }
  return found->second;
}

absl::StatusOr<NodeState> PoolState::CapacityOf(const NodeSpec& node) {
  NodeState state;
  state.cpu_milli = node.cpu_milli;
  state.memory_bytes = static_cast<int64_t>(node.memory_bytes);
  for (const XpuSpec& xpu : node.xpus) {
    const std::optional<uint8_t> kind = kinds_.NumberOf(xpu.model, xpu.attributes);
    if (!kind.has_value()) {
      return absl::ResourceExhaustedError(
          absl::StrCat("node \"", node.name, "\": ", xpu.model, " would be one kind of XPU more than the ", kMostModels,
                       " that a pool can have; attributes that nobody asks for should be left out"));
    }
    state.AddCard({.idle_bytes = xpu.memory_bytes, .model = *kind, .island = xpu.island, .usable = xpu.healthy});
  }
  return state;
}

// The state of |node| from what it has and what is held there.
void PoolState::WorkOut(NodeIndex node) { nodes_.Set(node, StateWithout(node, {})); }

void PoolState::Touch(NodeIndex node) {
  if (std::find(touched_.begin(), touched_.end(), node) == touched_.end()) touched_.push_back(node);
}

// Works out what has been touched, once each; every public function that touches something ends with it.
void PoolState::WorkOutTouched() {
  for (const NodeIndex node : touched_) {
    WorkOut(node);
    DropNodeIfUnused(node);
  }
  touched_.clear();
}

// Whether |claim| would be free without |pods|.
bool PoolState::IsOnlyFor(ClaimId claim, std::span<const PodId> pods) const {
  const std::vector<PodId>& users = claims_[claim].users;
  return !users.empty() && !claims_[claim].is_fixed && std::all_of(users.begin(), users.end(), [&](PodId user) {
    return std::find(pods.begin(), pods.end(), user) != pods.end();
  });
}

NodeState PoolState::StateWithout(NodeIndex node, std::span<const PodId> without) const {
  const NodeRecord& record = node_records_[node];
  NodeState state = record.capacity;
  if (!record.exists) {
    state = {};
    state.cpu_milli = -1;  // not even what asks for nothing
    return state;
  }
  const auto is_without = [&](PodId pod) { return std::find(without.begin(), without.end(), pod) != without.end(); };
  for (size_t i = 0; i < record.pods.by.size(); ++i) {
    if (is_without(record.pods.by[i])) continue;
    state.cpu_milli -= record.pods.what[i].cpu_milli;
    state.memory_bytes -= static_cast<int64_t>(record.pods.what[i].memory_bytes);
  }
  for (size_t i = 0; i < record.claims.by.size(); ++i) {
    const ClaimId claim = record.claims.by[i];
    if (!without.empty() && IsOnlyFor(claim, without)) continue;
    const ClaimPart& part = record.claims.what[i];
    if (part.is_single) {
      scheduler::Hold(part.cards, part.compute, part.memory_bytes, &state);
    } else {
      const ClaimPlace& place = *claims_[claim].place;
      for (size_t of = 0; of < place.requests.size(); ++of) {
        const CardRequest& request = place.requests[of];
        scheduler::Hold(place.cards[of], static_cast<uint16_t>(request.compute.basis_points()), request.memory_bytes,
                        &state);
      }
    }
    if (!part.is_remote) continue;
    state.cpu_milli -= worker_.cpu_milli;
    state.memory_bytes -= static_cast<int64_t>(worker_.memory_bytes);
  }
  return state;
}

absl::StatusOr<bool> PoolState::SetNode(const NodeSpec& node) {
  RETURN_IF_ERROR(Check(node));
  if (gone_nodes_.IsOld(node.name, node.version)) return false;
  if (const auto known = FindNode(node.name); known.has_value() && node_records_[*known].exists) {
    NodeSpec& spec = node_records_[*known].spec;
    if (node.version <= spec.version) return false;
    const uint64_t before = std::exchange(spec.version, node.version);
    if (spec == node) return false;  // nothing that matters here
    spec.version = before;
  }
  ASSIGN_OR_RETURN(NodeState capacity, CapacityOf(node));
  const NodeIndex index = NodeOf(node.name);
  NodeRecord& record = node_records_[index];
  record.spec = node;
  record.exists = true;
  record.capacity = capacity;
  record.spec_stamp = ++specs_stamp_;
  WorkOut(index);
  return true;
}

bool PoolState::RemoveNode(const std::string& name, uint64_t version) {
  if (gone_nodes_.IsOld(name, version)) return false;
  gone_nodes_.Add(name, version);
  const std::optional<NodeIndex> node = FindNode(name);
  if (!node.has_value() || !node_records_[*node].exists || version < node_records_[*node].spec.version) return false;
  node_records_[*node].exists = false;
  node_records_[*node].spec_stamp = ++specs_stamp_;
  WorkOut(*node);
  DropNodeIfUnused(*node);
  return true;
}

void PoolState::DropNodeIfUnused(NodeIndex node) {
  const NodeRecord& record = node_records_[node];
  if (record.exists || !record.pods.by.empty() || !record.claims.by.empty()) return;
  node_ids_.erase(record.spec.name);
  free_nodes_.push_back(node);
}

ClaimId PoolState::AddClaim(const ClaimSpec& spec, uint64_t version, PodId owner) {
  const ClaimId id = NewSlot(&claims_, &free_claims_);
  claims_[id] = {};
  claims_[id].spec = spec;
  claims_[id].version = version;
  claims_[id].owner = owner;
  claims_[id].exists = true;
  return id;
}

absl::StatusOr<bool> PoolState::SetClaim(const ClaimSeen& claim) {
  RETURN_IF_ERROR(Check(claim.spec));
  const std::string& uid = claim.spec.uid;
  if (gone_claims_.IsOld(uid, claim.version)) return false;
  const auto [found, is_new] = claim_ids_.try_emplace(uid, 0);
  if (!is_new && claim.version <= claims_[found->second].version) return false;
  if (is_new) found->second = AddClaim(claim.spec, claim.version, kNobody);
  const ClaimId id = found->second;
  claims_[id].version = claim.version;
  claims_[id].spec = claim.spec;
  if (const auto wanted = wanted_claims_.extract(uid); !wanted.empty()) {
    for (const PodId pod : wanted.mapped()) LinkClaim(pod, id);
  }
  Fix(id, claim.place);
  return true;
}

// What was seen from outside to be placed stays so until it is seen not to be.
void PoolState::Fix(ClaimId claim, const std::optional<SeenClaim>& place) {
  ClaimRecord& record = claims_[claim];
  const bool was_fixed = std::exchange(record.is_fixed, place.has_value());
  if (place.has_value()) {
    Place(claim, PlaceOf(record.spec, *place));
  } else if (was_fixed && record.users.empty()) {
    Unplace(claim);
  }
  WorkOutTouched();
}

bool PoolState::RemoveClaim(const std::string& uid, uint64_t version) {
  if (gone_claims_.IsOld(uid, version)) return false;
  gone_claims_.Add(uid, version);
  const std::optional<ClaimId> claim = FindClaim(uid);
  if (!claim.has_value() || version < claims_[*claim].version) return false;
  for (const PodId pod : claims_[*claim].named_by) {
    Remove(*claim, &pods_[pod].claims);
    wanted_claims_[uid].push_back(pod);
  }
  claim_ids_.erase(uid);
  DropClaim(*claim);
  WorkOutTouched();
  return true;
}

void PoolState::DropClaim(ClaimId claim) {
  Unplace(claim);
  claims_[claim] = {};
  free_claims_.push_back(claim);
}

void PoolState::LinkClaim(PodId pod, ClaimId claim) {
  pods_[pod].claims.push_back(claim);
  claims_[claim].named_by.push_back(pod);
  if (pods_[pod].phase != PodPhase::kPending) claims_[claim].users.push_back(pod);
}

// Its own claims, and those of the shared ones that are known.
void PoolState::LinkClaims(PodId pod) {
  for (const ClaimSpec& spec : pods_[pod].spec.claims) LinkClaim(pod, AddClaim(spec, 0, pod));
  for (const std::string& uid : pods_[pod].spec.shared_claims) {
    if (const std::optional<ClaimId> claim = FindClaim(uid); claim.has_value()) {
      LinkClaim(pod, *claim);
    } else {
      wanted_claims_[uid].push_back(pod);
    }
  }
}

void PoolState::UnlinkClaims(PodId pod) {
  for (const ClaimId claim : pods_[pod].claims) {
    Remove(pod, &claims_[claim].named_by);
    if (claims_[claim].owner == pod) DropClaim(claim);
  }
  for (const std::string& uid : pods_[pod].spec.shared_claims) {
    const auto wanted = wanted_claims_.find(uid);
    if (wanted == wanted_claims_.end()) continue;
    Remove(pod, &wanted->second);
    if (wanted->second.empty()) wanted_claims_.erase(wanted);
  }
}

bool PoolState::HasAllClaims(PodId pod) const {
  return pods_[pod].claims.size() == pods_[pod].spec.claims.size() + pods_[pod].spec.shared_claims.size();
}

absl::StatusOr<bool> PoolState::SetPod(const PodSeen& seen) {
  RETURN_IF_ERROR(Check(seen.spec));
  const std::string& uid = seen.spec.uid;
  if (gone_pods_.IsOld(uid, seen.spec.version)) return false;
  const auto [found, is_new] = pod_ids_.try_emplace(uid, 0);
  if (!is_new && seen.spec.version <= pods_[found->second].spec.version) return false;
  if (is_new) found->second = NewSlot(&pods_, &free_pods_);
  const PodId id = found->second;
  if (is_new) {
    pods_[id] = {};
    pods_[id].exists = true;
    pods_[id].spec = seen.spec;
    LinkClaims(id);
  } else {
    // What it asks for cannot change any more; the rest may.
    const PodSpec before = std::exchange(pods_[id].spec, seen.spec);
    pods_[id].spec.cpu_milli = before.cpu_milli;
    pods_[id].spec.memory_bytes = before.memory_bytes;
    pods_[id].spec.claims = before.claims;
    pods_[id].spec.shared_claims = before.shared_claims;
    pods_[id].spec.gang = before.gang;
  }
  if (seen.binding.has_value()) Bind(id, *seen.binding);
  return true;
}

bool PoolState::RemovePod(const std::string& uid, uint64_t version) {
  if (gone_pods_.IsOld(uid, version)) return false;
  gone_pods_.Add(uid, version);
  const std::optional<PodId> pod = FindPod(uid);
  if (!pod.has_value() || version < pods_[*pod].spec.version) return false;
  Release(*pod);
  UnlinkClaims(*pod);
  pods_[*pod] = {};
  pod_ids_.erase(uid);
  free_pods_.push_back(*pod);
  return true;
}

void PoolState::Hold(PodId pod, NodeIndex node, PodPhase phase) {
  PodRecord& record = pods_[pod];
  record.phase = phase;
  record.node = node;
  node_records_[node].pods.Add(pod, {record.spec.cpu_milli, record.spec.memory_bytes});
  for (const ClaimId claim : record.claims) claims_[claim].users.push_back(pod);
  Touch(node);
}

void PoolState::Place(ClaimId claim, ClaimPlace place) {
  Unplace(claim);
  ClaimPart part{.cards = 0,
                 .compute = 0,
                 .is_single = place.requests.size() == 1,
                 .is_remote = place.is_remote,
                 .memory_bytes = 0};
  if (part.is_single) {
    part.cards = place.cards[0];
    part.compute = static_cast<uint16_t>(place.requests[0].compute.basis_points());
    part.memory_bytes = place.requests[0].memory_bytes;
  }
  node_records_[place.node].claims.Add(claim, part);
  Touch(place.node);
  claims_[claim].place = std::move(place);
}

void PoolState::Unplace(ClaimId claim) {
  if (!claims_[claim].place.has_value()) return;
  const NodeIndex node = claims_[claim].place->node;
  claims_[claim].place.reset();
  node_records_[node].claims.Remove(claim);
  Touch(node);
}

void PoolState::Assume(PodId pod, NodeIndex node, const std::vector<std::pair<ClaimId, ClaimPlace>>& claims) {
  Hold(pod, node, PodPhase::kAssumed);
  for (const auto& [claim, place] : claims) Place(claim, place);
  WorkOutTouched();
}

void PoolState::Confirm(PodId pod) {
  if (pods_[pod].phase == PodPhase::kAssumed) pods_[pod].phase = PodPhase::kBound;
}

void PoolState::Release(PodId pod) {
  LetGo(pod);
  WorkOutTouched();
}

void PoolState::LetGo(PodId pod) {
  PodRecord& record = pods_[pod];
  if (record.phase == PodPhase::kPending) return;
  const NodeIndex node = std::exchange(record.node, kNobody);
  record.phase = PodPhase::kPending;
  node_records_[node].pods.Remove(pod);
  Touch(node);
  for (const ClaimId claim : record.claims) {
    Remove(pod, &claims_[claim].users);
    if (claims_[claim].users.empty() && !claims_[claim].is_fixed) Unplace(claim);
  }
}

// Where |seen| says that |claim| is. Numbers come from outside: those that make no sense are left out.
ClaimPlace PoolState::PlaceOf(const ClaimSpec& claim, const SeenClaim& seen) {
  std::vector<uint8_t> alternatives(claim.requests.size(), 0);
  for (size_t i = 0; i < std::min(alternatives.size(), seen.alternatives.size()); ++i) {
    if (seen.alternatives[i] < claim.requests[i].size()) alternatives[i] = seen.alternatives[i];
  }
  ClaimPlace place;
  place.node = NodeOf(seen.node);
  place.requests = Resolve(claim, alternatives, kinds_, 0);
  place.alternatives = std::move(alternatives);
  for (size_t i = 0; i < std::min(place.requests.size(), seen.xpus.size()); ++i) {
    for (const uint8_t xpu : seen.xpus[i]) {
      if (xpu < kMostCards) place.cards[i] = static_cast<CardSet>(place.cards[i] | 1u << xpu);
    }
  }
  return place;
}

void PoolState::Bind(PodId pod, const Binding& binding) {
  const PodPhase phase = binding.releasing ? PodPhase::kReleasing : PodPhase::kBound;
  const bool names_claims = !binding.claims.empty() || pods_[pod].claims.empty();
  if (pods_[pod].phase != PodPhase::kPending && node(pods_[pod].node).name == binding.node && !names_claims) {
    pods_[pod].phase = phase;  // it says nothing new of what is held
    return;
  }
  const NodeIndex node = NodeOf(binding.node);
  LetGo(pod);
  Hold(pod, node, phase);
  for (const SeenClaim& seen : binding.claims) {
    for (const ClaimId claim : pods_[pod].claims) {
      if (claims_[claim].spec.uid != seen.claim) continue;
      ClaimPlace place = PlaceOf(claims_[claim].spec, seen);
      place.is_remote = place.node != node;
      Place(claim, std::move(place));
    }
  }
  WorkOutTouched();
}

std::optional<PodId> PoolState::FindPod(const std::string& uid) const { return Find(pod_ids_, uid); }
std::optional<ClaimId> PoolState::FindClaim(const std::string& uid) const { return Find(claim_ids_, uid); }
std::optional<NodeIndex> PoolState::FindNode(const std::string& name) const { return Find(node_ids_, name); }

std::vector<Overcommit> PoolState::Overcommits() const {
  std::vector<Overcommit> all;
  for (NodeIndex node = 0; node < node_records_.size(); ++node) {
    const NodeRecord& record = node_records_[node];
    if (!record.exists) continue;
    Overcommit over{.node = node};
    over.cpu_milli = std::max<int64_t>(0, -nodes_[node].cpu_milli);
    over.memory_bytes = std::max<int64_t>(0, -nodes_[node].memory_bytes);
    std::array<int64_t, kMostCards> compute{};
    std::array<uint64_t, kMostCards> bytes{};
    for (const ClaimId claim : record.claims.by) {
      const ClaimPlace& place = *claims_[claim].place;
      for (size_t i = 0; i < place.requests.size(); ++i) {
        for (unsigned set = place.cards[i]; set != 0; set &= set - 1) {
          compute[std::countr_zero(set)] += place.requests[i].compute.basis_points();
          bytes[std::countr_zero(set)] += place.requests[i].memory_bytes;
        }
      }
    }
    for (int card = 0; card < kMostCards; ++card) {
      const bool is_there = card < static_cast<int>(record.capacity.cards().size());
      const int64_t there = is_there ? Share::Full().basis_points() : 0;
      const uint64_t bytes_there = is_there ? record.capacity.cards()[card].idle_bytes : 0;
      if (compute[card] > there || bytes[card] > bytes_there)
        over.cards = static_cast<CardSet>(over.cards | 1u << card);
    }
    if (over.cpu_milli > 0 || over.memory_bytes > 0 || over.cards != 0) all.push_back(over);
  }
  return all;
}

std::vector<NodeGroup> PoolState::Regroup() {
  std::vector<NodeState> capacities;
  for (const NodeRecord& record : node_records_) capacities.push_back(record.capacity);
  std::vector<NodeGroup> groups = GroupNodes(capacities);
  for (NodeIndex node = 0; node < node_records_.size(); ++node) {
    node_records_[node].capacity.group = capacities[node].group;
    WorkOut(node);
  }
  return groups;
}

PoolState::Names PoolState::NotIn(const Snapshot& snapshot) const {
  absl::flat_hash_set<std::string> nodes, claims, pods;
  for (const NodeSpec& node : snapshot.nodes) nodes.insert(node.name);
  for (const ClaimSeen& claim : snapshot.claims) claims.insert(claim.spec.uid);
  for (const PodSeen& pod : snapshot.pods) pods.insert(pod.spec.uid);
  Names names;
  for (const NodeRecord& record : node_records_) {
    if (record.exists && record.spec.version <= snapshot.version && !nodes.contains(record.spec.name))
      names.nodes.push_back(record.spec.name);
  }
  for (const ClaimRecord& record : claims_) {
    if (record.exists && record.owner == kNobody && record.version <= snapshot.version &&
        !claims.contains(record.spec.uid))
      names.claims.push_back(record.spec.uid);
  }
  for (const PodRecord& record : pods_) {
    if (record.exists && record.spec.version <= snapshot.version && !pods.contains(record.spec.uid))
      names.pods.push_back(record.spec.uid);
  }
  return names;
}

}  // namespace xpool::scheduler
