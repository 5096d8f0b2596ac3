// Which nodes a pod may come to for what they are: ready, neither cordoned nor draining, with the labels that it
// selects and without taints that it does not tolerate. What is left on them is not looked at. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "scheduler/pool/pool_state.h"

namespace xpool::scheduler {

// By node; 1: it may. Good until the next call of whom it comes from.
using NodeFilter = std::vector<uint8_t>;

class NodeFilters {
 public:
  // |pool| must outlive it. |most|: filters that are remembered.
  explicit NodeFilters(const PoolState* pool, size_t most = 512) : pool_(pool), most_(most) {}

  // The key of a filter, and the filter of a key; nothing when it has been forgotten.
  std::string KeyOf(const Labels& selector, const std::vector<Toleration>& tolerations);
  const NodeFilter* Find(const std::string& key);

 private:
  struct Kept {
    Labels selector;
    std::vector<Toleration> tolerations;
    NodeFilter filter;
    uint64_t stamp = 0;  // of the pool's specs
  };
  const PoolState* const pool_;
  const size_t most_;
  absl::flat_hash_map<std::string, Kept> kept_;
};

bool MayComeTo(const NodeSpec& node, const Labels& selector, const std::vector<Toleration>& tolerations);

}  // namespace xpool::scheduler
