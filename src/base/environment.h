// The environment of a program that is to be started: made here, and not by changing our own, which other threads read.
#pragma once

#include <string>
#include <vector>

namespace xpool {

using Environment = std::vector<std::string>;  // "NAME=value"

// This process's environment.
Environment CurrentEnvironment();
void SetVariable(Environment& environment, const std::string& name, const std::string& value);
void UnsetVariable(Environment& environment, const std::string& name);
// Empty when unset.
std::string GetVariable(const Environment& environment, const std::string& name);

// argv or envp of |strings|; valid while they live and stay as they are.
std::vector<char*> ExecPointers(const std::vector<std::string>& strings);

}  // namespace xpool
