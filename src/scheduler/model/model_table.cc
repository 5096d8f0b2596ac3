#include "scheduler/model/model_table.h"

#include <algorithm>

namespace xpool::scheduler {

std::optional<uint8_t> ModelTable::NumberOf(absl::string_view name) {
  const auto found = std::find(names_.begin(), names_.end(), name);
  const auto number = static_cast<uint8_t>(found - names_.begin());
  if (found != names_.end()) return number;
  if (names_.size() == kMostModels) return std::nullopt;
  names_.emplace_back(name);
  return number;
}

}  // namespace xpool::scheduler
