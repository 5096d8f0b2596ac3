// Short ways to write nodes, claims and pods, for tests.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "scheduler/scheduler.h"

namespace xpool::scheduler::testing {

inline constexpr uint64_t kCardBytes = uint64_t{16} << 30;

inline NodeSpec MakeNode(std::string name, int xpus, int64_t cpu_milli = 64'000, std::string model = "A") {
  NodeSpec node{.name = std::move(name), .version = 1, .cpu_milli = cpu_milli, .memory_bytes = uint64_t{1} << 38};
  for (int i = 0; i < xpus; ++i) node.xpus.push_back({.model = model, .memory_bytes = kCardBytes});
  return node;
}

inline Request Part(int64_t percent, uint64_t memory_bytes = 0) {
  return {.count = 1, .compute = Share::FromPercent(percent), .memory_bytes = memory_bytes};
}
inline Request Whole(int count) { return {.count = count}; }

inline PodSpec MakePod(std::string uid, std::vector<Request> requests, int64_t cpu_milli = 1000) {
  PodSpec pod{.uid = std::move(uid), .version = 1, .cpu_milli = cpu_milli, .memory_bytes = 1 << 20};
  if (requests.empty()) return pod;
  ClaimSpec claim{.uid = pod.uid + "/xpus"};
  for (Request& request : requests) claim.requests.push_back({std::move(request)});
  pod.claims.push_back(std::move(claim));
  return pod;
}

inline PodSpec InGang(PodSpec pod, std::string gang, int members, std::string level = "", bool required = false) {
  pod.gang = {std::move(gang), members, std::move(level), required};
  return pod;
}

}  // namespace xpool::scheduler::testing
