#include "cli/agent_launcher.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>
#include <thread>

#include "base/process.h"
#include "base/status.h"
#include "cli/agent_client.h"
#include "cli/spawn.h"

namespace xpool::cli {
namespace {

constexpr int64_t kPollNs = 10 * kNsPerMs;
constexpr int64_t kSilentNs = 2 * kNsPerSec;
constexpr int64_t kStopTimeoutNs = 10 * kNsPerSec;

// Left by StopAgent() for the keepers: this end was wanted.
std::string StoppedMarker(const AgentPaths& paths) { return paths.directory + "/agent.stopped"; }

bool IsExecutable(const std::string& path) { return access(path.c_str(), X_OK) == 0; }

void SleepNs(int64_t ns) {
  const timespec time{ns / kNsPerSec, ns % kNsPerSec};
  nanosleep(&time, nullptr);
}

// The last line that |path| holds after |offset|, for a message about a program that died; empty when there is none.
std::string LastLine(const std::string& path, int64_t offset) {
  std::ifstream file(path);
  file.seekg(offset);
  std::string line, last;
  for (int lines = 0; lines < 10'000 && std::getline(file, line); ++lines) {
    if (!line.empty()) last = line;
  }
  return last.substr(0, 500);
}

int64_t FileSize(const std::string& path) {
  std::ifstream file(path, std::ios::ate);
  return file ? static_cast<int64_t>(file.tellg()) : 0;
}

// The environment of an agent: it finds the drivers by itself, so what `xpool run` set for a program that starts
// another one must not hide them.
Environment AgentEnvironment(const AgentPaths& paths) {
  Environment environment = CurrentEnvironment();
  if (!GetVariable(environment, "XPOOL_SLICE").empty()) {
    for (const char* name : {"XPOOL_SLICE", "OCL_ICD_VENDORS", "OCL_ICD_FILENAMES", "OPENCL_VENDOR_PATH"}) {
      UnsetVariable(environment, name);
    }
  }
  SetVariable(environment, "XPOOL_DIR", paths.directory);
  return environment;
}

// The process that the directory's pid file names; 0: none.
pid_t NamedAgent(const AgentPaths& paths) {
  pid_t pid = 0;
  std::ifstream(paths.pid_file()) >> pid;
  return pid;
}

// One attempt to have an agent, from the first look to its first answer.
class Launch {
 public:
  explicit Launch(const LaunchOptions& options) : options_(options), begin_ns_(options.clock->NowNs()) {}

  absl::StatusOr<v1::Status> Run() {
    absl::StatusOr<v1::Status> status = AgentClient(options_.paths).GetStatus();
    if (!absl::IsUnavailable(status.status())) return status;
    if (options_.paths.directory != OwnAgentPaths().directory) {
      return absl::UnavailableError(
          absl::StrCat("the machine's agent at ", options_.paths.directory,
                       " does not answer: start it ('systemctl start xpoold'), or set XPOOL_DIR to use your own"));
    }
    RETURN_IF_ERROR(EnsureOwnDirectory(options_.paths.directory));
    ASSIGN_OR_RETURN(const UniqueFd lock, Lock());
    status = AgentClient(options_.paths).GetStatus();  // Somebody else may have started it meanwhile.
    if (!absl::IsUnavailable(status.status())) return status;
    return Start();
  }

 private:
  // The right to start the agent of this directory.
  absl::StatusOr<UniqueFd> Lock() {
    const std::string path = options_.paths.directory + "/start.lock";
    UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!fd.valid()) return ErrnoStatus(absl::StrCat("cannot open ", path));
    while (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK && errno != EINTR) return ErrnoStatus(absl::StrCat("cannot lock ", path));
      RETURN_IF_ERROR(Wait("another xpool to start the agent"));
    }
    return fd;
  }

  absl::StatusOr<v1::Status> Start() {
    unlink(StoppedMarker(options_.paths).c_str());
    std::string program = options_.agent_program;
    if (program.empty()) {
      ASSIGN_OR_RETURN(program, FindAgentProgram());
    }
    std::vector<std::string> arguments = {program};
    arguments.insert(arguments.end(), options_.arguments.begin(), options_.arguments.end());
    const std::string log = options_.paths.log_file();
    const int64_t log_begin = FileSize(log);
    ASSIGN_OR_RETURN(const pid_t pid, SpawnDetached(arguments, AgentEnvironment(options_.paths), log));
    const absl::StatusOr<UniqueFd> process = OpenPidfd(pid);
    for (;;) {
      // Looked at before asking: an agent that answered and ended still counts as started.
      const bool dead = !process.ok() || PidfdIsDead(process->get());
      absl::StatusOr<v1::Status> status = AgentClient(options_.paths).GetStatus();
      if (!absl::IsUnavailable(status.status())) return status;
      if (dead && !AnotherStarts(pid)) return Died(program, LastLine(log, log_begin));
      RETURN_IF_ERROR(Wait("the agent to look at its devices"));
    }
  }

  // Whether ours, |pid|, has died because somebody else's was faster, which has not answered yet.
  bool AnotherStarts(pid_t pid) const {
    const pid_t named = NamedAgent(options_.paths);
    if (named <= 0 || named == pid) return false;
    const absl::StatusOr<UniqueFd> process = OpenPidfd(named);
    return process.ok() && !PidfdIsDead(process->get());
  }

  absl::Status Died(const std::string& program, const std::string& last_words) const {
    return absl::FailedPreconditionError(absl::StrCat("the agent ", program, " ended right after its start",
                                                      last_words.empty() ? "" : ": ", last_words,
                                                      " (log: ", options_.paths.log_file(), ")"));
  }

  // A short sleep, unless it is time to give up.
  absl::Status Wait(const char* what) {
    if (options_.cancelled()) return absl::CancelledError("interrupted");
    const int64_t waited = options_.clock->NowNs() - begin_ns_;
    if (waited > options_.timeout_ns) {
      return absl::DeadlineExceededError(absl::StrCat("waited ", options_.timeout_ns / kNsPerSec, " s for ", what,
                                                      "; see its log ", options_.paths.log_file()));
    }
    if (waited > kSilentNs && !told_ && options_.progress) {
      told_ = true;
      options_.progress(absl::StrCat("waiting for ", what, " (log: ", options_.paths.log_file(), ")"));
    }
    SleepNs(kPollNs);
    return absl::OkStatus();
  }

  const LaunchOptions& options_;
  const int64_t begin_ns_;
  bool told_ = false;
};

// Agents that nobody else looks after were started with --idle-exit.
bool IsOnDemand(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/cmdline"));
  std::stringstream text;
  text << file.rdbuf();
  return text.str().find(kOnDemandArguments[0]) != std::string::npos;
}

}  // namespace

std::string ExecutableDirectory() {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof(path));
  const std::string file(path, static_cast<size_t>(std::max<ssize_t>(length, 0)));
  return file.substr(0, file.rfind('/'));
}

absl::StatusOr<std::string> FindAgentProgram() {
  if (const char* program = getenv("XPOOL_AGENT_PROGRAM"); program != nullptr && *program != '\0') {
    if (IsExecutable(program)) return std::string(program);
    return absl::NotFoundError(absl::StrCat("XPOOL_AGENT_PROGRAM names ", program, ", which cannot be executed"));
  }
  const std::string beside = ExecutableDirectory() + "/xpoold";
  for (const std::string& path : {beside, ExecutableDirectory() + "/../sbin/xpoold"}) {
    if (IsExecutable(path)) return path;
  }
  std::istringstream path(getenv("PATH") == nullptr ? "" : getenv("PATH"));
  for (std::string folder; std::getline(path, folder, ':');) {
    if (folder.starts_with('/') && IsExecutable(folder + "/xpoold")) return folder + "/xpoold";
  }
  return absl::NotFoundError(absl::StrCat("xpoold, the agent, is neither at ", beside,
                                          " nor in PATH: install it, or start one and set XPOOL_DIR to its directory"));
}

absl::StatusOr<v1::Status> EnsureAgent(const LaunchOptions& options) { return Launch(options).Run(); }

absl::Status StopAgent(const AgentPaths& paths, const Clock& clock) {
  absl::StatusOr<v1::Status> status = AgentClient(paths).GetStatus();
  if (absl::IsUnavailable(status.status()))
    return absl::NotFoundError(absl::StrCat("no agent runs at ", paths.directory));
  pid_t pid = 0;
  if (status.ok()) {
    pid = status->pid();
  } else if (absl::IsDeadlineExceeded(status.status())) {
    pid = NamedAgent(paths);  // It does not answer: its file still names it.
  }
  if (pid <= 0) return status.status();
  ASSIGN_OR_RETURN(const UniqueFd process, OpenPidfd(pid));
  std::ofstream(StoppedMarker(paths)) << pid << "\n";
  if (kill(pid, SIGTERM) != 0) return ErrnoStatus(absl::StrCat("cannot signal the agent, process ", pid));
  kill(pid, SIGCONT);
  for (const int64_t end = clock.NowNs() + kStopTimeoutNs; clock.NowNs() < end;) {
    pollfd entry{process.get(), POLLIN, 0};
    if (poll(&entry, 1, 100) == 1) return absl::OkStatus();
  }
  return absl::DeadlineExceededError(
      absl::StrCat("the agent, process ", pid, ", did not end within 10 s of SIGTERM; see its log ", paths.log_file()));
}

struct AgentKeeper::Impl {
  explicit Impl(LaunchOptions launch) : options(std::move(launch)), stop(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    options.cancelled = [this] { return Stopping(0); };
  }

  // Waits up to |timeout_ms| for the order to end.
  bool Stopping(int timeout_ms) const {
    pollfd entry{stop.get(), POLLIN, 0};
    return poll(&entry, 1, timeout_ms) == 1;
  }

  bool StoppedOnPurpose() const { return access(StoppedMarker(options.paths).c_str(), F_OK) == 0; }

  // Returns when the agent with |pidfd| has died; false: told to end.
  bool WaitForDeath(int pidfd) const {
    pollfd entries[2] = {{stop.get(), POLLIN, 0}, {pidfd, POLLIN, 0}};
    while (poll(entries, 2, -1) < 0) {
    }
    return entries[0].revents == 0;
  }

  void Run(UniqueFd agent) {
    int backoff_ms = 0;
    int64_t started_ns = 0;
    while (WaitForDeath(agent.get())) {
      // One that dies over and over is started ever more slowly; one that ran well, at once.
      const bool short_lived = started_ns != 0 && options.clock->NowNs() - started_ns < 5 * kNsPerSec;
      backoff_ms = short_lived ? std::clamp(backoff_ms * 2, 100, 5000) : 0;
      std::optional<UniqueFd> next;
      while (!next.has_value()) {
        if (StoppedOnPurpose() || Stopping(backoff_ms)) return;
        next = Restart();
        backoff_ms = std::clamp(backoff_ms * 2, 100, 5000);
      }
      agent = std::move(*next);
      started_ns = options.clock->NowNs();
    }
  }

  std::optional<UniqueFd> Restart() {
    const absl::StatusOr<v1::Status> status = EnsureAgent(options);
    if (status.ok()) {
      absl::StatusOr<UniqueFd> process = OpenPidfd(status->pid());
      if (process.ok()) return std::move(*process);
    } else if (!told && options.progress && !absl::IsCancelled(status.status())) {
      told = true;
      options.progress(absl::StrCat("the agent died and cannot be started again (still trying): ",
                                    std::string(status.status().message())));
    }
    return std::nullopt;
  }

  LaunchOptions options;
  const UniqueFd stop;
  bool told = false;
  std::thread thread;
};

AgentKeeper::AgentKeeper(LaunchOptions options, const v1::Status& status) {
  if (options.paths.directory != OwnAgentPaths().directory || !IsOnDemand(status.pid())) return;
  absl::StatusOr<UniqueFd> agent = OpenPidfd(status.pid());
  if (!agent.ok()) return;
  impl_ = std::make_unique<Impl>(std::move(options));
  impl_->thread =
      std::thread([impl = impl_.get(), agent = std::move(*agent)]() mutable { impl->Run(std::move(agent)); });
}

AgentKeeper::~AgentKeeper() {
  if (impl_ == nullptr) return;
  eventfd_write(impl_->stop.get(), 1);
  impl_->thread.join();
}

}  // namespace xpool::cli
