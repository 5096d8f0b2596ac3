// Node and pod lists in the format of Alibaba's cluster-trace-gpu-v2023 ("openb"), and the arrival orders with which
// the FGD paper's experiments were run. Every error names the file and the line. Pure; a file's text is passed in.
//
//   nodes   sn,cpu_milli,memory_mib,gpu,model
//   pods    name,cpu_milli,memory_mib,num_gpu,gpu_milli[,gpu_spec[,...]]   gpu_spec: allowed models, "|" between them
//   events  per seed two lines: "42;pods;i0 i1 ..." and "42;noderank;r0 r1 ...": the arrivals, as places in the pod
//   list
//           sorted by name, and the rank of each node of the node list sorted by name, lower before higher
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "scheduler/model/kind_table.h"
#include "scheduler/model/node_state.h"
#include "scheduler/outlook/mix.h"

namespace xpool::sim {

struct Cluster {
  std::vector<std::string> names;  // sorted
  std::vector<scheduler::NodeState> nodes;
  scheduler::KindTable models;

  int64_t compute_milli() const;  // of all cards
};

struct Workload {
  std::vector<std::string> names;  // sorted
  std::vector<scheduler::Demand> pods;
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
absl::StatusOr<std::map<int64_t, Arrivals>> ParseEvents(absl::string_view text, const std::string& file, size_t pods,
                                                        size_t nodes);

}  // namespace xpool::sim
