// What a child process of process_test.cc does: one OpenCL program each, chosen by name.
#pragma once

#include <string>

namespace xpool::conformance {

// Runs the child program |name| and returns its exit status; some of them exit by themselves. 124 on an unknown name.
int RunChildProgram(const std::string& name);

}  // namespace xpool::conformance
