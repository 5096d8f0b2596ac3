#include "scheduler/model/kind_table.h"

#include <algorithm>

namespace xpool::scheduler {

std::optional<uint8_t> KindTable::NumberOf(absl::string_view model, const Attributes& attributes) {
  const auto found = std::find_if(kinds_.begin(), kinds_.end(), [&](const Kind& kind) {
    return kind.model == model && kind.attributes == attributes;
  });
  if (found == kinds_.end()) {
    if (kinds_.size() == kMostModels) return std::nullopt;
    kinds_.push_back({std::string(model), attributes});
    return static_cast<uint8_t>(kinds_.size() - 1);
  }
  return static_cast<uint8_t>(found - kinds_.begin());
}

ModelSet KindTable::Matching(std::span<const std::string> models, std::span<const AttributeMatch> matches) const {
  if (models.empty() && matches.empty()) return kAnyModel;
  ModelSet set = 0;
  for (size_t i = 0; i < kinds_.size(); ++i) {
    const Kind& kind = kinds_[i];
    const bool is_named = models.empty() || std::find(models.begin(), models.end(), kind.model) != models.end();
    const bool matched = std::all_of(matches.begin(), matches.end(),
                                     [&](const AttributeMatch& match) { return match.Holds(kind.attributes); });
    if (is_named && matched) set |= ModelSet{1} << i;
  }
  return set;
}

}  // namespace xpool::scheduler
