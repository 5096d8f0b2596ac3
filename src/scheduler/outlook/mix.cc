#include "scheduler/outlook/mix.h"

#include <algorithm>
#include <cmath>

#include "absl/container/flat_hash_map.h"

namespace xpool::scheduler {

int64_t Mix::count() const {
  int64_t sum = 0;
  for (const PodType& type : types) sum += type.count;
  return sum;
}

bool Mix::AsksForMemoryOfCards() const {
  return std::any_of(types.begin(), types.end(), [](const PodType& type) {
    return std::any_of(type.demand.cards.begin(), type.demand.cards.end(),
                       [](const CardRequest& request) { return request.memory_bytes > 0; });
  });
}

Mix MixOf(std::span<const Demand> pods) {
  Mix mix;
  absl::flat_hash_map<Demand, size_t> places;
  for (const Demand& pod : pods) {
    const auto [place, is_new] = places.try_emplace(pod, mix.types.size());
    if (is_new) mix.types.push_back({pod, 0});
    ++mix.types[place->second].count;
  }
  return mix;
}

Mix TypicalOf(const Mix& mix, double coverage) {
  std::vector<PodType> types = mix.types;
  std::stable_sort(types.begin(), types.end(),
                   [](const PodType& one, const PodType& other) { return one.count > other.count; });
  const double wanted = coverage * static_cast<double>(mix.count());
  Mix typical;
  int64_t covered = 0;
  for (PodType& type : types) {
    if (static_cast<double>(covered) >= wanted) break;
    covered += type.count;
    typical.types.push_back(std::move(type));
  }
  return typical;
}

}  // namespace xpool::scheduler
