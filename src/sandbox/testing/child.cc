#include "sandbox/testing/child.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "base/clock.h"
#include "base/fd.h"

namespace xpool::sandbox {
namespace {

constexpr int64_t kPatienceNs = 60 * kNsPerSec;

[[noreturn]] void Say(int fd, const std::string& text) {
  const bool said = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  _exit(said ? 0 : 1);
}

// Until all holders of the other end are gone, or patience is.
std::string Listen(int fd, pid_t child) {
  std::string said;
  const int64_t deadline_ns = MonotonicNowNs() + kPatienceNs;
  while (true) {
    const int64_t left_ms = (deadline_ns - MonotonicNowNs()) / kNsPerMs;
    pollfd entry{fd, POLLIN, 0};
    if (left_ms <= 0 || poll(&entry, 1, static_cast<int>(left_ms)) == 0) {
      kill(child, SIGKILL);
      return said + " (and was too slow)";
    }
    char part[4096];
    const ssize_t got = read(fd, part, sizeof(part));
    if (got <= 0) return said;
    said.append(part, static_cast<size_t>(got));
  }
}

}  // namespace

Outcome RunInChild(const std::function<std::string()>& body) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  const pid_t child = fork();
  if (child < 0) std::abort();
  if (child == 0) {
    close(ends[0]);
    Say(ends[1], body());
  }
  const UniqueFd ear(ends[0]);
  close(ends[1]);
  Outcome outcome;
  outcome.said = Listen(ear.get(), child);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) outcome.signal = WTERMSIG(status);
  return outcome;
}

}  // namespace xpool::sandbox
