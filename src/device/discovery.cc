#include "device/discovery.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "absl/strings/str_split.h"
#include "backend/local/driver.h"
#include "base/process.h"
#include "base/status.h"
#include "device/probe.h"

extern char** environ;

namespace xpool {
namespace {

constexpr size_t kMaxReportBytes = 256 * 1024;

struct Child {
  pid_t pid = -1;
  UniqueFd report;
};

struct ProbeResult {
  std::vector<XpuInfo> xpus;
  std::vector<DriverProblem> problems;
};

absl::StatusOr<Child> SpawnProbe(const std::string& program, const std::string& library) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus("pipe");
  Child child;
  child.report = UniqueFd(ends[0]);
  const UniqueFd write_end(ends[1]);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, write_end.get(), kProbeReportFd);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, defaults;
  sigemptyset(&none);
  sigfillset(&defaults);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setpgroup(&attributes, 0);  // so that what the driver starts can be ended with it
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::string arguments[] = {program, "--probe", library};
  char* argv[] = {arguments[0].data(), arguments[1].data(), arguments[2].data(), nullptr};
  const int error = posix_spawn(&child.pid, program.c_str(), &actions, &attributes, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return absl::ErrnoToStatus(error, absl::StrCat("start ", program));
  return child;
}

// Reads until the end of the report and the child's death; false when |deadline_ns| came first.
bool ReadReport(const Child& child, int pidfd, int64_t deadline_ns, std::string& report) {
  pollfd entries[2] = {{child.report.get(), POLLIN, 0}, {pidfd, POLLIN, 0}};
  bool dead = false, ended = false;
  while (!dead || !ended) {
    const int64_t left_ns = deadline_ns - MonotonicNowNs();
    // Once it is dead, only what is still in the pipe counts: a grandchild may hold the other end open.
    const int ready = poll(entries, 2, dead ? 0 : static_cast<int>(std::max<int64_t>(left_ns / kNsPerMs, 0)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return dead;
    if (entries[1].revents != 0) {
      dead = true;
      entries[1].fd = -1;
    }
    if (entries[0].revents == 0) continue;
    char buffer[4096];
    const ssize_t got = read(child.report.get(), buffer, sizeof(buffer));
    if (got > 0) report.append(buffer, static_cast<size_t>(got));
    if (got <= 0 || report.size() > kMaxReportBytes) {
      ended = true;
      entries[0].fd = -1;
    }
  }
  return true;
}

void ParseReport(const std::string& library, const std::string& report, ProbeResult& result) {
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(report, '\n', absl::SkipEmpty()))) {
    auto xpu = FromJsonLine(line);
    if (!xpu.ok()) {
      result.problems.push_back({"driver-failed", library, absl::StrCat(library, ": ", xpu.status().message())});
      return;
    }
    xpu->driver_library = library;
    result.xpus.push_back(*std::move(xpu));
  }
}

ProbeResult RunProbe(const DiscoveryOptions& options, const std::string& library) {
  ProbeResult result;
  auto fail = [&](std::string kind, std::string message) {
    result.xpus.clear();
    result.problems = {{std::move(kind), library, absl::StrCat("OpenCL driver ", library, " ", message)}};
    return result;
  };
  auto child = SpawnProbe(options.probe_program, library);
  if (!child.ok()) return fail("driver-failed", absl::StrCat("was not probed: ", child.status().message()));
  auto pidfd = OpenPidfd(child->pid);
  std::string report;
  const bool finished = pidfd.ok() && ReadReport(*child, pidfd->get(), MonotonicNowNs() + options.timeout_ns, report);
  kill(-child->pid, SIGKILL);  // a no-op for a child that is dead, but not for what it left running
  int status = 0;
  while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!finished) {
    return fail("driver-hung", absl::StrCat("did not answer within ", options.timeout_ns / kNsPerSec,
                                            " s and was given up; its devices are not offered"));
  }
  if (WIFSIGNALED(status)) {
    return fail("driver-crashed", absl::StrCat("crashed while it was probed (", strsignal(WTERMSIG(status)),
                                               "); its devices are not offered"));
  }
  if (WEXITSTATUS(status) != 0) {
    return fail("driver-failed", absl::StrCat("could not be probed (exit status ", WEXITSTATUS(status),
                                              "; its own words are on the agent's stderr)"));
  }
  ParseReport(library, report, result);
  return result;
}

}  // namespace

std::vector<std::string> InstalledDriverLibraries() {
  std::vector<std::string> libraries;
  for (local::InstalledDriver& driver : local::ListInstalledDrivers()) libraries.push_back(std::move(driver.library));
  return libraries;
}

Discovery DiscoverXpus(const DiscoveryOptions& options) {
  std::vector<ProbeResult> results(options.libraries.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < results.size(); ++i) {
    threads.emplace_back([&, i] { results[i] = RunProbe(options, options.libraries[i]); });
  }
  for (std::thread& thread : threads) thread.join();
  Discovery discovery;
  for (ProbeResult& result : results) {
    std::move(result.xpus.begin(), result.xpus.end(), std::back_inserter(discovery.xpus));
    std::move(result.problems.begin(), result.problems.end(), std::back_inserter(discovery.problems));
  }
  return discovery;
}

}  // namespace xpool
