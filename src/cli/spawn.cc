#include "cli/spawn.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/status.h"

namespace xpool::cli {
namespace {

// What runs between fork() and exec() uses only async-signal-safe calls: gRPC has threads.
void ResetSignals() {
  for (int signal = 1; signal < NSIG; ++signal) {
    if (signal != SIGKILL && signal != SIGSTOP) ::signal(signal, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

struct Report {
  int error = 0;
  pid_t pid = 0;
};

[[noreturn]] void SendAndExit(int fd, const Report& report) {
  [[maybe_unused]] const ssize_t written = write(fd, &report, sizeof(report));
  _exit(125);
}

// In the grandchild-to-be: becomes the agent.
[[noreturn]] void ExecDetached(char* const* argv, char* const* envp, int log_fd, int report_fd) {
  setsid();
  const pid_t pid = fork();
  if (pid < 0) SendAndExit(report_fd, {errno, 0});
  if (pid > 0) {
    const Report report{0, pid};
    [[maybe_unused]] const ssize_t written = write(report_fd, &report, sizeof(report));
    _exit(0);
  }
  ResetSignals();
  const int null_fd = open("/dev/null", O_RDONLY);
  dup2(null_fd, 0);
  dup2(log_fd, 1);
  dup2(log_fd, 2);
  syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
  if (chdir("/") != 0) SendAndExit(report_fd, {errno, 0});
  execve(argv[0], argv, envp);
  SendAndExit(report_fd, {errno, 0});
}

}  // namespace

pid_t SpawnProgram(const std::vector<std::string>& arguments, const Environment& environment, const sigset_t& mask,
                   SpawnFailure& failure) {
  const std::vector<char*> argv = ExecPointers(arguments), envp = ExecPointers(environment);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return failure.error = errno, 0;
  UniqueFd reader(ends[0]), writer(ends[1]);
  const pid_t pid = fork();
  if (pid < 0) return failure.error = errno, 0;
  if (pid == 0) {
    sigprocmask(SIG_SETMASK, &mask, nullptr);   // Ignored signals stay ignored, as nohup wants it.
    environ = const_cast<char**>(envp.data());  // execvp() searches this PATH.
    execvp(argv[0], argv.data());
    SendAndExit(writer.get(), {errno, 0});
  }
  writer.Reset();
  Report report;
  if (TEMP_FAILURE_RETRY(read(reader.get(), &report, sizeof(report))) != sizeof(report)) return pid;
  failure.error = report.error;
  waitpid(pid, nullptr, 0);
  return 0;
}

absl::StatusOr<pid_t> SpawnDetached(const std::vector<std::string>& arguments, const Environment& environment,
                                    const std::string& log_file) {
  const std::vector<char*> argv = ExecPointers(arguments), envp = ExecPointers(environment);
  const UniqueFd log(open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!log.valid()) return ErrnoStatus(absl::StrCat("cannot write the agent's log ", log_file));
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus("pipe");
  UniqueFd reader(ends[0]), writer(ends[1]);
  const pid_t child = fork();
  if (child < 0) return ErrnoStatus("fork");
  if (child == 0) ExecDetached(argv.data(), envp.data(), log.get(), writer.get());
  writer.Reset();
  waitpid(child, nullptr, 0);
  pid_t pid = 0;
  Report report;
  while (TEMP_FAILURE_RETRY(read(reader.get(), &report, sizeof(report))) == sizeof(report)) {
    if (report.error != 0) {
      errno = report.error;
      return ErrnoStatus(absl::StrCat("cannot start ", arguments[0]));
    }
    pid = report.pid;
  }
  if (pid == 0) return absl::InternalError(absl::StrCat("cannot start ", arguments[0]));
  return pid;
}

}  // namespace xpool::cli
