// Nodes as the pool is told of them. Values; what is wrong with one Check() says, and nothing else may be assumed of
// one that comes from outside.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "scheduler/model/kind_table.h"

namespace xpool::scheduler {

using Labels = std::map<std::string, std::string>;

struct XpuSpec {
  std::string model;
  Attributes attributes;
  uint64_t memory_bytes = 0;
  uint8_t island = 0;  // XPUs of one node that are closely connected have the same number
  bool healthy = true;

  friend bool operator==(const XpuSpec&, const XpuSpec&) = default;
};

// Keeps pods away that do not tolerate it, as in Kubernetes. kNoExecute is kNoSchedule here, and makes what is on the
// node something that should move.
struct Taint {
  enum class Effect : uint8_t { kNoSchedule, kNoExecute };
  std::string key, value;
  Effect effect = Effect::kNoSchedule;

  friend bool operator==(const Taint&, const Taint&) = default;
};

// A domain of the topology: {"rack", "r7"}. Its name is unique within the domain around it.
struct Domain {
  std::string level, name;

  friend bool operator==(const Domain&, const Domain&) = default;
};

struct NodeSpec {
  std::string name;
  uint64_t version = 0;
  int64_t cpu_milli = 0;
  uint64_t memory_bytes = 0;
  bool ready = true;
  bool cordoned = false;  // nothing new comes here
  bool draining = false;  // neither, and what is here should move
  Labels labels;
  std::vector<Taint> taints;
  std::vector<Domain> topology;  // around it, the widest first; all nodes name their levels in the same order
  std::vector<XpuSpec> xpus;

  friend bool operator==(const NodeSpec&, const NodeSpec&) = default;
};

// The levels of topology that every node has by itself.
inline constexpr char kNodeLevel[] = "node", kIslandLevel[] = "island";

// INVALID_ARGUMENT says what is wrong with |node|: no name, too many XPUs, numbers that make no sense.
absl::Status Check(const NodeSpec& node);

}  // namespace xpool::scheduler
