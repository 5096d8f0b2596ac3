// A child process of a test that does one thing and reports by text, so that being killed is an outcome like any other.
#pragma once

#include <functional>
#include <string>

namespace xpool::sandbox {

struct Outcome {
  int exit_code = -1;  // -1: it did not exit
  int signal = 0;      // what ended it
  std::string said;
};

// Runs |body| in a fork of this process, which must have one thread. What it returns is said, and the child exits with
// 0. A child that takes longer than a minute is killed.
Outcome RunInChild(const std::function<std::string()>& body);

}  // namespace xpool::sandbox
