// The conformance program: GoogleTest, or one child program of process_test.cc with --child=NAME.
#include <gtest/gtest.h>

#include <string>

#include "child.h"

int main(int argc, char** argv) {
  const std::string prefix = "--child=";
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]).rfind(prefix, 0) == 0) {
      return xpool::conformance::RunChildProgram(argv[i] + prefix.size());
    }
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
