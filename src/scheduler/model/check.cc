#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "scheduler/model/claim.h"
#include "scheduler/model/node.h"

namespace xpool::scheduler {
namespace {

constexpr int64_t kMostCpuMilli = 1'000'000'000;
constexpr uint64_t kMostBytes = uint64_t{1} << 50;  // thousands of them can be added up
constexpr size_t kMostLevels = 16;
constexpr size_t kLongest = 1024;  // names

absl::Status Refuse(absl::string_view kind, const std::string& name, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(kind, " \"", name, "\": ", why));
}

bool IsName(const std::string& name) { return !name.empty() && name.size() <= kLongest; }

absl::Status CheckRequest(const ClaimSpec& claim, const Request& request) {
  if (request.count < 1 || request.count > kMostCards)
    return Refuse("claim", claim.uid,
                  absl::StrCat("a request is for ", request.count, " XPUs, and must be for 1 to ", kMostCards));
  if (request.compute <= Share() || request.compute > Share::Full())
    return Refuse("claim", claim.uid, "compute must be more than 0% and at most 100%");
  if (request.memory_bytes > kMostBytes) return Refuse("claim", claim.uid, "no XPU has that much memory");
  return absl::OkStatus();
}

}  // namespace

absl::Status Check(const NodeSpec& node) {
  if (!IsName(node.name)) return Refuse("node", node.name, "it needs a name of 1 to 1024 bytes");
  if (node.cpu_milli < 0 || node.cpu_milli > kMostCpuMilli || node.memory_bytes > kMostBytes)
    return Refuse("node", node.name, "CPU or memory make no sense");
  if (node.xpus.size() > kMostCards)
    return Refuse("node", node.name, absl::StrCat("it has ", node.xpus.size(), " XPUs; ", kMostCards, " are possible"));
  for (const XpuSpec& xpu : node.xpus) {
    if (!IsName(xpu.model) || xpu.memory_bytes > kMostBytes)
      return Refuse("node", node.name, "an XPU has no model, or a memory that makes no sense");
  }
  if (node.topology.size() > kMostLevels) return Refuse("node", node.name, "its topology has too many levels");
  for (const Domain& domain : node.topology) {
    if (!IsName(domain.level) || !IsName(domain.name) || domain.level == kNodeLevel || domain.level == kIslandLevel)
      return Refuse("node", node.name, absl::StrCat("\"", domain.level, "\" cannot be a level around nodes"));
  }
  return absl::OkStatus();
}

absl::Status Check(const ClaimSpec& claim) {
  if (!IsName(claim.uid)) return Refuse("claim", claim.uid, "it needs a uid of 1 to 1024 bytes");
  if (claim.requests.empty() || claim.requests.size() > kMostRequests)
    return Refuse("claim", claim.uid, absl::StrCat("it needs 1 to ", kMostRequests, " requests"));
  for (const std::vector<Request>& alternatives : claim.requests) {
    if (alternatives.empty() || alternatives.size() > kMostAlternatives)
      return Refuse("claim", claim.uid, absl::StrCat("a request needs 1 to ", kMostAlternatives, " alternatives"));
    for (const Request& request : alternatives) RETURN_IF_ERROR(CheckRequest(claim, request));
  }
  return absl::OkStatus();
}

absl::Status Check(const Demand& demand) {
  bool makes_sense = demand.cpu_milli >= 0 && demand.cpu_milli <= kMostCpuMilli && demand.memory_bytes <= kMostBytes &&
                     demand.cards.size() <= kMostRequests;
  for (const CardRequest& request : demand.cards) {
    makes_sense = makes_sense && request.count >= 1 && request.count <= kMostCards && request.compute > Share() &&
                  request.compute <= Share::Full() && request.memory_bytes <= kMostBytes;
  }
  return makes_sense ? absl::OkStatus() : absl::InvalidArgumentError("a demand has numbers that make no sense");
}

absl::Status Check(const PodSpec& pod) {
  if (!IsName(pod.uid)) return Refuse("pod", pod.uid, "it needs a uid of 1 to 1024 bytes");
  if (pod.cpu_milli < 0 || pod.cpu_milli > kMostCpuMilli || pod.memory_bytes > kMostBytes)
    return Refuse("pod", pod.uid, "CPU or memory make no sense");
  if (pod.duration_ns < 0) return Refuse("pod", pod.uid, "its duration is negative");
  if (pod.claims.size() + pod.shared_claims.size() > kMostClaims)
    return Refuse("pod", pod.uid, absl::StrCat("it has more than ", kMostClaims, " claims"));
  std::vector<std::string> uids = pod.shared_claims;
  for (const ClaimSpec& claim : pod.claims) uids.push_back(claim.uid);
  std::sort(uids.begin(), uids.end());
  if (std::adjacent_find(uids.begin(), uids.end()) != uids.end())
    return Refuse("pod", pod.uid, "it names a claim twice");
  size_t requests = 0;
  for (const ClaimSpec& claim : pod.claims) {
    RETURN_IF_ERROR(Check(claim));
    requests += claim.requests.size();
  }
  if (requests > kMostRequests)
    return Refuse("pod", pod.uid,
                  absl::StrCat("its claims have ", requests, " requests; ", kMostRequests, " are possible"));
  if (pod.gang.level == kIslandLevel)
    return Refuse("pod", pod.uid, "a gang is larger than an island; XPUs of one claim can be on one (one_island)");
  if (!pod.gang.name.empty() && (pod.gang.min_members < 1 || pod.gang.min_members > kMostMembers))
    return Refuse("pod", pod.uid, absl::StrCat("a gang needs 1 to ", kMostMembers, " members"));
  return absl::OkStatus();
}

}  // namespace xpool::scheduler
