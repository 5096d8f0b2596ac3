// Why a pod cannot be placed: what each node lacks, counted. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "scheduler/model/node_state.h"

namespace xpool::scheduler {

// The first thing in this order that a node lacks.
enum class Lack : uint8_t {
  kNothing,
  kPermission,  // cordoned, not ready, not selected, tainted
  kReserved,    // kept for somebody else
  kModel,       // XPUs of the models and with the attributes, healthy ones
  kCompute,     // enough of those with so much compute left
  kCardMemory,  // and with so much memory left
  kConnection,  // on one island, or for all requests at once
  kCpu,
  kMemory,
  kCount,
};

// What is missing on |node| for |demand|; kNothing when it fits.
Lack LackOf(const NodeState& node, const Demand& demand);

// How many nodes lack what.
struct Lacks {
  std::array<uint32_t, static_cast<size_t>(Lack::kCount)> nodes{};

  uint32_t& operator[](Lack lack) { return nodes[static_cast<size_t>(lack)]; }
  uint32_t operator[](Lack lack) const { return nodes[static_cast<size_t>(lack)]; }

  // "812 nodes lack memory, 401 the model"; the most frequent first. "there is no node" when all are 0.
  std::string ToString() const;
};

// "memory".
const char* NameOf(Lack lack);

}  // namespace xpool::scheduler
