// The `xpool` command.

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "base/clock.h"
#include "base/paths.h"
#include "cli/cli.h"

int main(int argc, char** argv) {
  // The agent and the program may run elsewhere: a relative directory would mean another one to them.
  if (const char* directory = getenv("XPOOL_DIR"); directory != nullptr && *directory != '\0' && *directory != '/') {
    std::error_code error;
    setenv("XPOOL_DIR", std::filesystem::absolute(directory, error).c_str(), 1);
  }
  xpool::cli::Context context{.out = std::cout,
                              .err = std::cerr,
                              .out_is_terminal = isatty(STDOUT_FILENO) == 1,
                              .paths = xpool::ClientAgentPaths(),
                              .unix_now_ns = xpool::UnixNowNs};
  const int status = xpool::cli::RunCli({argv + 1, argv + argc}, context);
  std::cout.flush();
  if (!std::cout && status == 0) return 1;  // A full disk, or a reader that went away.
  return status;
}
