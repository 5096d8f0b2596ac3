// The fake agent as a program, for the end-to-end tests of `xpool`. Takes xpoold's options and ignores them; appends a
// line to $XPOOL_DIR/starts each time it starts; FAKE_XPOOLD_FAIL makes it die with that message.

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>

#include "base/paths.h"
#include "cli/testing/fake_agent.h"

int main() {
  const xpool::AgentPaths paths = xpool::OwnAgentPaths();
  std::ofstream(paths.directory + "/starts", std::ios::app) << getpid() << "\n";
  if (const char* message = getenv("FAKE_XPOOLD_FAIL")) {
    std::cerr << message << "\n";
    return 1;
  }
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  unlink(paths.control_socket().c_str());
  xpool::cli::FakeAgent agent(paths);
  int signal = 0;
  sigwait(&set, &signal);
  return 0;
}
