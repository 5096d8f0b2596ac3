// Node and pod lists in the format of Alibaba's cluster-trace-gpu-v2023 ("openb"), and the arrival orders with which
// the FGD paper's experiments were run. Every error names the file and the line. Pure; a file's text is passed in.
//
//   nodes   sn,cpu_milli,memory_mib,gpu,model
//     and, where they are there: gpu_memory_mib; islands (how many its cards are divided into); topology (the domains
//     around it, the widest first: "supernode=s0/cabinet=c3")
//   pods    name,cpu_milli,memory_mib,num_gpu,gpu_milli
//     and, where they are there: gpu_spec (allowed models, "|" between them); gpu_memory_mib (of each card);
//     gang, gang_size, level, required (1: the level is); priority, preemptible (1); locality (local, remote, any);
//     duration_s, or scheduled_time and deletion_time
//   events  per seed two lines: "42;pods;i0 i1 ..." and "42;noderank;r0 r1 ...": the arrivals, as places in the pod
//           list sorted by name, and the rank of each node of the node list sorted by name, lower before higher
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "scheduler/model/claim.h"
#include "scheduler/model/kind_table.h"
#include "scheduler/model/node.h"
#include "scheduler/model/node_state.h"
#include "scheduler/outlook/mix.h"

namespace xpool::sim {

struct Cluster {
  std::vector<scheduler::NodeSpec> specs;   // sorted by name
  std::vector<scheduler::NodeState> nodes;  // the same, with nothing on them
  scheduler::KindTable models;

  int64_t compute_milli() const;  // of all cards
};

struct Workload {
  std::vector<scheduler::PodSpec> specs;  // sorted by uid, which is the name
  std::vector<scheduler::Demand> pods;    // the same, as demands of one node
  // All types of pods; equally frequent ones stand in falling order of CPU, share, number of cards, models.
  scheduler::Mix mix;
};

struct Arrivals {
  std::vector<uint32_t> pods;  // places in Workload::pods
  std::vector<uint32_t> rank;  // of each of Cluster::nodes
};

// |file|: its name, for messages. INVALID_ARGUMENT when it is not of this format.
absl::StatusOr<Cluster> ParseNodes(absl::string_view text, const std::string& file);
// Models that no node has are numbered too: no node serves them.
absl::StatusOr<Workload> ParsePods(absl::string_view text, const std::string& file, scheduler::KindTable* models);
// The same the other way: what ParseNodes() and ParsePods() read.
std::string PrintNodes(const std::vector<scheduler::NodeSpec>& nodes);
std::string PrintPods(const std::vector<scheduler::PodSpec>& pods);

absl::StatusOr<std::map<int64_t, Arrivals>> ParseEvents(absl::string_view text, const std::string& file, size_t pods,
                                                        size_t nodes);

}  // namespace xpool::sim
