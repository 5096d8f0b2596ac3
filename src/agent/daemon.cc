#include "agent/daemon.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "agent/control_service.h"
#include "agent/metrics_server.h"
#include "agent/session_server.h"
#include "base/status.h"

namespace xpool::agent {
namespace {

// The pid file is the lock too: it is held for as long as the process lives, however it ends.
absl::StatusOr<UniqueFd> LockDirectory(const std::string& path) {
  UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!file.valid()) return ErrnoStatus(absl::StrCat("open ", path));
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    char pid[16] = {};
    [[maybe_unused]] const ssize_t got = pread(file.get(), pid, sizeof(pid) - 1, 0);
    return absl::AlreadyExistsError(absl::StrCat("an agent (process ", absl::StripAsciiWhitespace(pid),
                                                 ") already runs on ", path,
                                                 "; use that one, or give this one another directory with --dir"));
  }
  const std::string pid = absl::StrCat(getpid(), "\n");
  if (ftruncate(file.get(), 0) != 0 || pwrite(file.get(), pid.data(), pid.size(), 0) != ssize_t(pid.size())) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot write ", path, ": ", strerror(errno), "; make room on that file system"));
  }
  return file;
}

// A session takes five descriptors.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

absl::StatusOr<UniqueFd> BlockSignals() {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // a full quota is an error of the write, not our end
  UniqueFd fd(signalfd(-1, &ends, SFD_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus("signalfd");
  return fd;
}

absl::StatusOr<std::unique_ptr<MetricsServer>> StartMetrics(Agent& agent) {
  const Options& options = agent.options();
  if (options.metrics_address == "off") return nullptr;
  auto metrics = MetricsServer::Start(&agent, options.metrics_address);
  if (metrics.ok() || options.metrics_required) return metrics;
  agent.events().Add({.kind = "metrics-off", .message = std::string(metrics.status().message())});
  return nullptr;
}

void WaitForEnd(int signals, int idle) {
  pollfd ends[] = {{signals, POLLIN, 0}, {idle, POLLIN, 0}};
  while (poll(ends, 2, -1) < 0) {
  }
  spdlog::info(ends[0].revents != 0 ? "told to end; slices and sessions are kept for the next agent"
                                    : "nothing to do: ends until it is needed again");
}

}  // namespace

absl::Status RunAgent(const Options& options) {
  RETURN_IF_ERROR(EnsureOwnDirectory(options.paths.directory));
  ASSIGN_OR_RETURN(const UniqueFd lock, LockDirectory(options.paths.pid_file()));
  ASSIGN_OR_RETURN(const UniqueFd signals, BlockSignals());
  const UniqueFd idle(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  RaiseDescriptorLimit();

  Discovery discovery = DiscoverXpus({.probe_program = options.probe_program, .libraries = options.driver_libraries});
  ASSIGN_OR_RETURN(const std::unique_ptr<Agent> agent,
                   Agent::Create(options, std::move(discovery), Clock::Monotonic()));
  ASSIGN_OR_RETURN(const std::unique_ptr<SessionServer> sessions, SessionServer::Start(agent.get(), [&idle] {
                     const uint64_t one = 1;
                     [[maybe_unused]] const ssize_t written = write(idle.get(), &one, sizeof(one));
                   }));
  ASSIGN_OR_RETURN(const std::unique_ptr<MetricsServer> metrics, StartMetrics(*agent));
  ASSIGN_OR_RETURN(const std::unique_ptr<ControlService> control,
                   ControlService::Start(agent.get(), metrics != nullptr ? metrics->address() : ""));
  WaitForEnd(signals.get(), idle.get());
  return absl::OkStatus();
}

}  // namespace xpool::agent
