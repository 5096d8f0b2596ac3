// Numbers for the models of a pool's XPUs, so that sets of them are bits.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "scheduler/model/demand.h"

namespace xpool::scheduler {

class ModelTable {
 public:
  // The number of |name|, a new one if need be; nothing when there are kMostModels already.
  std::optional<uint8_t> NumberOf(absl::string_view name);
  const std::string& name(uint8_t number) const { return names_[number]; }
  size_t size() const { return names_.size(); }

 private:
  std::vector<std::string> names_;
};

}  // namespace xpool::scheduler
