// What users ask for: claims for XPUs, and the pods that use them. Values; what is wrong with one Check() says.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/share.h"
#include "scheduler/model/kind_table.h"
#include "scheduler/model/node.h"

namespace xpool::scheduler {

// Some XPUs that are alike to the asker.
struct Request {
  int count = 1;
  Share compute = Share::Full();           // of each; Full(): the whole card
  uint64_t memory_bytes = 0;               // of each; with whole cards, what a card must have
  std::vector<std::string> models;         // any of these; empty: any
  std::vector<AttributeMatch> attributes;  // all of these

  friend bool operator==(const Request&, const Request&) = default;
};

enum class Locality : uint8_t {
  kLocal,   // XPUs of the node that the pod runs on
  kRemote,  // of another one
  kAny,     // of that one, or another where that is not possible
};

// All requests are served by the same node, each by XPUs of its own.
struct ClaimSpec {
  std::string uid;
  std::vector<std::vector<Request>> requests;  // of each, the first alternative that can be served
  bool one_island = false;                     // all of them on one island
  Locality locality = Locality::kLocal;
};

struct Toleration {
  std::string key;    // "": every key
  std::string value;  // "": every value

  bool Tolerates(const Taint& taint) const {
    return (key.empty() || key == taint.key) && (value.empty() || value == taint.value);
  }
  friend bool operator==(const Toleration&, const Toleration&) = default;
};

// A gang runs as a whole or not at all.
struct GangSpec {
  std::string name;       // "": none
  int min_members = 0;    // what must be placed at once; more may follow one by one
  std::string level;      // "": anywhere; else the level of topology, one domain of which all are in
  bool required = false;  // the level; else a wider one will do where need be
};

struct PodSpec {
  std::string uid;
  uint64_t version = 0;
  std::string queue;
  int32_t priority = 0;  // higher first
  int64_t cpu_milli = 0;
  uint64_t memory_bytes = 0;
  std::vector<ClaimSpec> claims;           // its own: they come and go with it
  std::vector<std::string> shared_claims;  // uids of claims that others may use too
  Labels node_selector;
  std::vector<Toleration> tolerations;
  GangSpec gang;
  bool movable = false;      // may be stopped and started elsewhere
  bool preemptible = false;  // may be stopped for what has a higher priority
  int64_t duration_ns = 0;   // how long it will run, where that is known; 0: not
};

// The XPUs' compute that |pod|'s own claims ask for, in cards; of alternatives, the first.
inline double CardsOf(const PodSpec& pod) {
  double cards = 0;
  for (const ClaimSpec& claim : pod.claims) {
    for (const std::vector<Request>& alternatives : claim.requests)
      cards += alternatives[0].count * alternatives[0].compute.fraction();
  }
  return cards;
}

inline constexpr size_t kMostClaims = 8, kMostAlternatives = 8;
inline constexpr int kMostMembers = 1 << 16;

absl::Status Check(const ClaimSpec& claim);
absl::Status Check(const PodSpec& pod);
absl::Status Check(const Demand& demand);

}  // namespace xpool::scheduler
