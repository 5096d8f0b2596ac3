// What is known of a pool: its nodes, claims and pods, and who holds what. Told of in deltas, each with a version, that
// may come twice, late or in any order, and in whole lists. What is left on a node is always worked out anew from what
// it has and from what is held there, so nothing drifts; more may be held than there is, when a node has shrunk or
// somebody else has placed something: then nothing is left, and Overcommits() says so. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "scheduler/model/claim.h"
#include "scheduler/model/node.h"
#include "scheduler/outlook/pool_groups.h"
#include "scheduler/pool/node_table.h"
#include "scheduler/pool/tombstones.h"

namespace xpool::scheduler {

using PodId = uint32_t;
using ClaimId = uint32_t;
inline constexpr uint32_t kNobody = UINT32_MAX;

// XPUs that a claim holds.
struct ClaimPlace {
  NodeIndex node = 0;
  std::vector<CardRequest> requests;  // as they are served
  std::vector<uint8_t> alternatives;  // which of each that is
  Cards cards{};                      // of each request
  bool is_remote = false;             // used from another node: a worker here serves it
};

// What the node that lends XPUs gives to the worker that serves a claim, besides.
struct WorkerNeeds {
  int64_t cpu_milli = 500;
  uint64_t memory_bytes = uint64_t{256} << 20;
};

// What a pod holds, as it is seen from outside.
struct SeenClaim {
  std::string claim;                       // uid
  std::string node;                        // of the XPUs
  std::vector<uint8_t> alternatives;       // of each request, the one that is served
  std::vector<std::vector<uint8_t>> xpus;  // of each request, by their place in NodeSpec::xpus
};
struct Binding {
  std::string node;
  std::vector<SeenClaim> claims;
  bool releasing = false;  // it is being stopped: what it holds will be free soon
};

struct ClaimSeen {
  ClaimSpec spec;
  uint64_t version = 0;
  std::optional<SeenClaim> place;  // it has XPUs already, whoever uses it
};
struct PodSeen {
  PodSpec spec;
  std::optional<Binding> binding;
};

// Everything there was when it was at |version|: what is known, older and not in it is gone.
struct Snapshot {
  uint64_t version = 0;
  std::vector<NodeSpec> nodes;
  std::vector<ClaimSeen> claims;
  std::vector<PodSeen> pods;
};

enum class PodPhase : uint8_t {
  kPending,
  kAssumed,  // placed by us, not confirmed yet
  kBound,
  kReleasing,  // still holds everything
};

struct PodRecord {
  PodSpec spec;
  PodPhase phase = PodPhase::kPending;
  bool exists = false;          // the place in the table is in use
  NodeIndex node = kNobody;     // it runs on; when not pending
  std::vector<ClaimId> claims;  // its own first; those that are not known yet are left out
};

struct ClaimRecord {
  ClaimSpec spec;
  uint64_t version = 0;
  PodId owner = kNobody;  // whose own it is
  bool exists = false;
  std::optional<ClaimPlace> place;
  bool is_fixed = false;  // placed from outside: it stays when nobody uses it
  std::vector<PodId> named_by;
  std::vector<PodId> users;  // of those, the ones that are placed
};

// More is held than there is.
struct Overcommit {
  NodeIndex node;
  int64_t cpu_milli = 0, memory_bytes = 0;  // too much; 0: no
  CardSet cards = 0;                        // on which too much is held
};

class PoolState {
 public:
  explicit PoolState(const WorkerNeeds& worker = {}) : worker_(worker) {}

  // False, without a change, when it is old news. INVALID_ARGUMENT when Check() refuses; RESOURCE_EXHAUSTED when the
  // pool has too many kinds of XPUs. What was known stays then.
  absl::StatusOr<bool> SetNode(const NodeSpec& node);
  bool RemoveNode(const std::string& name, uint64_t version);
  absl::StatusOr<bool> SetClaim(const ClaimSeen& claim);
  bool RemoveClaim(const std::string& uid, uint64_t version);
  // |binding|, where there is one, replaces what was assumed.
  absl::StatusOr<bool> SetPod(const PodSeen& pod);
  bool RemovePod(const std::string& uid, uint64_t version);

  // What a pod and its claims get. REQUIRES: it is pending. Claims that are placed already stay where they are.
  void Assume(PodId pod, NodeIndex node, const std::vector<std::pair<ClaimId, ClaimPlace>>& claims);
  void Confirm(PodId pod);
  // Makes it pending again; claims of its own, and those that nobody else uses, hold nothing any more.
  void Release(PodId pod);

  const NodeTable& nodes() const { return nodes_; }
  const WorkerNeeds& worker() const { return worker_; }
  const NodeSpec& node(NodeIndex node) const { return node_records_[node].spec; }
  bool node_exists(NodeIndex node) const { return node_records_[node].exists; }
  std::span<const PodId> pods_on(NodeIndex node) const { return node_records_[node].pods.by; }
  std::span<const ClaimId> claims_on(NodeIndex node) const { return node_records_[node].claims.by; }
  const PodRecord& pod(PodId pod) const { return pods_[pod]; }
  const ClaimRecord& claim(ClaimId claim) const { return claims_[claim]; }
  size_t pod_slots() const { return pods_.size(); }
  std::optional<PodId> FindPod(const std::string& uid) const;
  std::optional<ClaimId> FindClaim(const std::string& uid) const;
  std::optional<NodeIndex> FindNode(const std::string& name) const;
  // Whether all shared claims that it names are known.
  bool HasAllClaims(PodId pod) const;

  // A demand's requests are bits of kinds: what was resolved with an older |kinds().size()| is out of date.
  const KindTable& kinds() const { return kinds_; }
  // Counts changes of what nodes are, and not of what is held on them; and when it last happened to one.
  uint64_t specs_stamp() const { return specs_stamp_; }
  uint64_t spec_stamp(NodeIndex node) const { return node_records_[node].spec_stamp; }

  std::vector<Overcommit> Overcommits() const;

  // Numbers the groups of nodes (outlook/pool_groups.h) anew, in all states.
  std::vector<NodeGroup> Regroup();

  // Of all that is known and not newer than |version|: what |snapshot| does not have.
  struct Names {
    std::vector<std::string> nodes, claims, pods;
  };
  Names NotIn(const Snapshot& snapshot) const;

  // What of |node| is left when it has |without| no more: of plans. |without|: pods on it, with claims of their own.
  NodeState StateWithout(NodeIndex node, std::span<const PodId> without) const;

 private:
  // What is held on a node, by whom; side by side, so that working out what is left reads nothing else.
  template <typename Part>
  struct Holdings {
    std::vector<uint32_t> by;
    std::vector<Part> what;

    void Add(uint32_t whom, const Part& part) {
      by.push_back(whom);
      what.push_back(part);
    }
    void Remove(uint32_t whom) {
      const auto found = std::find(by.begin(), by.end(), whom);
      if (found == by.end()) return;
      what[static_cast<size_t>(found - by.begin())] = what.back();
      what.pop_back();
      *found = by.back();
      by.pop_back();
    }
  };
  struct PodPart {
    int64_t cpu_milli;
    uint64_t memory_bytes;
  };
  struct ClaimPart {
    CardSet cards;     // of its request, if it has but one
    uint16_t compute;  // basis points, of each
    bool is_single;    // else its place is to be looked at
    bool is_remote;
    uint64_t memory_bytes;  // of each
  };

  struct NodeRecord {
    NodeSpec spec;
    bool exists = false;  // false: only known from a binding, or gone while something is on it
    Holdings<PodPart> pods;
    Holdings<ClaimPart> claims;
    NodeState capacity;
    uint64_t spec_stamp = 0;
  };
  NodeIndex NodeOf(const std::string& name);  // a new one, that does not exist yet, if need be
  absl::StatusOr<NodeState> CapacityOf(const NodeSpec& node);
  bool IsOnlyFor(ClaimId claim, std::span<const PodId> pods) const;
  void WorkOut(NodeIndex node);
  void Touch(NodeIndex node);
  void WorkOutTouched();
  ClaimId AddClaim(const ClaimSpec& spec, uint64_t version, PodId owner);
  void LinkClaim(PodId pod, ClaimId claim);
  void LinkClaims(PodId pod);
  void UnlinkClaims(PodId pod);
  void Hold(PodId pod, NodeIndex node, PodPhase phase);
  void Place(ClaimId claim, ClaimPlace place);
  void Unplace(ClaimId claim);
  void LetGo(PodId pod);
  void Bind(PodId pod, const Binding& binding);
  ClaimPlace PlaceOf(const ClaimSpec& claim, const SeenClaim& seen);
  void DropNodeIfUnused(NodeIndex node);
  void DropClaim(ClaimId claim);
  void Fix(ClaimId claim, const std::optional<SeenClaim>& place);

  const WorkerNeeds worker_;
  KindTable kinds_;
  NodeTable nodes_;
  std::vector<NodeRecord> node_records_;
  std::vector<PodRecord> pods_;
  std::vector<ClaimRecord> claims_;
  std::vector<NodeIndex> free_nodes_;
  std::vector<PodId> free_pods_;
  std::vector<ClaimId> free_claims_;
  absl::flat_hash_map<std::string, NodeIndex> node_ids_;
  absl::flat_hash_map<std::string, PodId> pod_ids_;
  absl::flat_hash_map<std::string, ClaimId> claim_ids_;                 // of shared ones
  absl::flat_hash_map<std::string, std::vector<PodId>> wanted_claims_;  // not known yet, and who names them
  Tombstones gone_nodes_, gone_pods_, gone_claims_;
  uint64_t specs_stamp_ = 0;
  std::vector<NodeIndex> touched_;
};

// The demand for XPUs of |claim| with the given alternatives of each request. Its requests are together if they must be
// on one island, by the number |together|.
std::vector<CardRequest> Resolve(const ClaimSpec& claim, std::span<const uint8_t> alternatives, const KindTable& kinds,
                                 uint8_t together);

}  // namespace xpool::scheduler
