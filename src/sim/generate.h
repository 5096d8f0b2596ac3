// Synthetic clusters and workloads, for experiments where nothing was recorded. The same options, the same cluster.
//
//   superpod     one supernode of one maker's XPUs, cabinets of nodes with eight of them in two islands; training jobs
//   as
//                gangs of up to 4,096 XPUs beside small ones
//   mixed        makers and models side by side, cards with memory that matters, and pods that want much compute or
//   much
//                memory of them; a quarter of the nodes with cards is short of CPU, and some nodes have none but CPU
//   openb-like   the nodes of Alibaba's GPU cluster in their proportions, and pods whose kinds are drawn around those
//   of
//                its trace: how many share a card and how much of it, how many want several, or certain models, how
//                much CPU. Another seed is another mix, not another order alone
//
// The proportions come from public figures: Weng et al., "Beware of Fragmentation", USENIX ATC'23, and the trace
// itself; Huawei's descriptions of CloudMatrix 384, Atlas 950 and Atlas 960 SuperPoDs (384, 8,192 and 15,488 XPUs).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "scheduler/model/claim.h"
#include "scheduler/model/node.h"

namespace xpool::sim {

struct GenerateOptions {
  int64_t cards = 0;  // about so many; 0: 6,212 as openb has, 15,488 for a superpod
  int64_t pods = 0;   // 0: what asks for 140 % of the cards
  uint64_t seed = 1;
};

struct Generated {
  std::vector<scheduler::NodeSpec> nodes;
  std::vector<scheduler::PodSpec> pods;
};

// INVALID_ARGUMENT names the kinds, or says what is out of bounds.
absl::StatusOr<Generated> Generate(absl::string_view kind, const GenerateOptions& options);

}  // namespace xpool::sim
