// The `xpool` command: parses the arguments and does the command they name. apps/xpool calls it once; tests call it
// with their own streams and agent directory. Not thread-safe: commands change the signal mask and may end the process
// (`run` dies as its program died).
#pragma once

#include <string>
#include <vector>

#include "cli/context.h"

namespace CLI {
class App;
}

namespace xpool::cli {

inline constexpr char kVersion[] = "0.1.0";

// |arguments| without the program's name. Returns the exit status.
int RunCli(std::vector<std::string> arguments, Context& context);

// Where "PROGRAM..." begins in the arguments of |run| (the program's words are never read as xpool's options);
// arguments.size() when there is none. A "--" before it is skipped.
struct ProgramSplit {
  size_t options_end = 0, program_begin = 0;
};
ProgramSplit FindProgram(const CLI::App& run, const std::vector<std::string>& arguments);

}  // namespace xpool::cli
