// Numbers for the kinds of XPUs of a pool, so that sets of them are bits. XPUs are of one kind when they are of the
// same model and have the same attributes. Not thread-safe.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "scheduler/model/demand.h"

namespace xpool::scheduler {

using Attributes = std::map<std::string, std::string>;

// What is wanted of an attribute: that it has a value, or hasn't. One that isn't there has none.
struct AttributeMatch {
  std::string key, value;
  bool equal = true;

  bool Holds(const Attributes& attributes) const {
    const auto found = attributes.find(key);
    return (found != attributes.end() && found->second == value) == equal;
  }
};

class KindTable {
 public:
  // The number of a kind, a new one if need be; nothing when there are kMostModels already.
  std::optional<uint8_t> NumberOf(absl::string_view model, const Attributes& attributes = {});

  // The kinds of any of |models|, of any model when that is empty, for which all of |matches| hold.
  ModelSet Matching(std::span<const std::string> models, std::span<const AttributeMatch> matches) const;

  const std::string& model(uint8_t number) const { return kinds_[number].model; }
  size_t size() const { return kinds_.size(); }  // grows when a kind is new: what Matching() said is out of date

 private:
  struct Kind {
    std::string model;
    Attributes attributes;
  };
  std::vector<Kind> kinds_;
};

}  // namespace xpool::scheduler
