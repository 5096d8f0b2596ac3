#include "scheduler/pool/node_filters.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace xpool::scheduler {
namespace {

// Lengths keep apart what only looks alike when written one after the other.
void Append(const std::string& text, std::string* key) { absl::StrAppend(key, text.size(), ":", text); }

}  // namespace

bool MayComeTo(const NodeSpec& node, const Labels& selector, const std::vector<Toleration>& tolerations) {
  if (!node.ready || node.cordoned || node.draining) return false;
  const bool is_selected = std::all_of(selector.begin(), selector.end(), [&](const auto& label) {
    const auto found = node.labels.find(label.first);
    return found != node.labels.end() && found->second == label.second;
  });
  return is_selected && std::all_of(node.taints.begin(), node.taints.end(), [&](const Taint& taint) {
           return std::any_of(tolerations.begin(), tolerations.end(),
                              [&](const Toleration& toleration) { return toleration.Tolerates(taint); });
         });
}

std::string NodeFilters::KeyOf(const Labels& selector, const std::vector<Toleration>& tolerations) {
  std::string key;
  for (const auto& [name, value] : selector) {
    Append(name, &key);
    Append(value, &key);
  }
  key += '|';
  for (const Toleration& toleration : tolerations) {
    Append(toleration.key, &key);
    Append(toleration.value, &key);
  }
  if (kept_.contains(key)) return key;
  if (kept_.size() >= most_) kept_.clear();
  kept_[key] = {.selector = selector, .tolerations = tolerations, .filter = {}, .stamp = 0};
  return key;
}

const NodeFilter* NodeFilters::Find(const std::string& key) {
  const auto found = kept_.find(key);
  if (found == kept_.end()) return nullptr;
  Kept& kept = found->second;
  if (kept.stamp == pool_->specs_stamp()) return &kept.filter;
  kept.filter.resize(pool_->nodes().size());
  for (NodeIndex node = 0; node < kept.filter.size(); ++node) {
    if (pool_->spec_stamp(node) > kept.stamp)
      kept.filter[node] = pool_->node_exists(node) && MayComeTo(pool_->node(node), kept.selector, kept.tolerations);
  }
  kept.stamp = pool_->specs_stamp();
  return &kept.filter;
}

}  // namespace xpool::scheduler
