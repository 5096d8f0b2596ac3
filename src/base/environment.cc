#include "base/environment.h"

#include <unistd.h>

#include <algorithm>

namespace xpool {
namespace {

bool IsVariable(const std::string& entry, const std::string& name) {
  return entry.size() > name.size() && entry[name.size()] == '=' && entry.compare(0, name.size(), name) == 0;
}

}  // namespace

Environment CurrentEnvironment() {
  Environment environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  return environment;
}

void UnsetVariable(Environment& environment, const std::string& name) {
  std::erase_if(environment, [&](const std::string& entry) { return IsVariable(entry, name); });
}

void SetVariable(Environment& environment, const std::string& name, const std::string& value) {
  UnsetVariable(environment, name);
  environment.push_back(name + "=" + value);
}

std::string GetVariable(const Environment& environment, const std::string& name) {
  for (const std::string& entry : environment) {
    if (IsVariable(entry, name)) return entry.substr(name.size() + 1);
  }
  return "";
}

std::vector<char*> ExecPointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& text : strings) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace xpool
