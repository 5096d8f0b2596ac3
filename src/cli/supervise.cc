#include "cli/supervise.h"

#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/status.h"

namespace xpool::cli {
namespace {

constexpr int kForwarded[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT, SIGALRM};
constexpr int kTerminating[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

sigset_t SupervisedSet() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : kForwarded) sigaddset(&set, signal);
  sigaddset(&set, SIGCHLD);
  return set;
}

class Supervisor {
 public:
  Supervisor(pid_t child, int signal_fd) : child_(child), signal_fd_(signal_fd) {}

  absl::StatusOr<int> Run() {
    for (;;) {
      int status = 0;
      const pid_t changed = waitpid(child_, &status, WNOHANG | WUNTRACED);
      if (changed < 0) return ErrnoStatus("waitpid");
      if (changed == child_) {
        if (!WIFSTOPPED(status)) return status;
        Stopped(WSTOPSIG(status));
        continue;
      }
      signalfd_siginfo info;
      if (TEMP_FAILURE_RETRY(read(signal_fd_, &info, sizeof(info))) != sizeof(info)) return ErrnoStatus("signalfd");
      if (info.ssi_signo != SIGCHLD) Forward(info);
    }
  }

 private:
  void Forward(const signalfd_siginfo& info) {
    const int signal = static_cast<int>(info.ssi_signo);
    if (signal == SIGTSTP) stop_asked_ = true;
    // The terminal's signals go to the whole group; but a hang-up reaches only the session's leader, which may be us.
    const bool from_terminal = info.ssi_code == SI_KERNEL;
    if (from_terminal && signal != SIGHUP) return;
    if (static_cast<pid_t>(info.ssi_pid) == child_) return;  // It signals its own group: it knows.
    kill(child_, signal);
  }

  // Only stops from the terminal are mirrored: a debugger's or an operator's SIGSTOP is meant for the program alone.
  void Stopped(int signal) {
    const bool from_terminal = signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
    if (!from_terminal && !stop_asked_) return;
    stop_asked_ = false;
    raise(SIGSTOP);
    kill(child_, SIGCONT);
  }

  const pid_t child_;
  const int signal_fd_;
  bool stop_asked_ = false;  // a SIGTSTP came; programs that handle it stop themselves by SIGSTOP
};

}  // namespace

sigset_t BlockSupervisedSignals() {
  ::signal(SIGCHLD, SIG_DFL);  // Inherited as ignored, it would take the program's exit status from us.
  const sigset_t set = SupervisedSet();
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &set, &before);
  return before;
}

bool TerminationPending() {
  sigset_t pending;
  sigpending(&pending);
  for (int signal : kTerminating) {
    if (sigismember(&pending, signal) == 1) return true;
  }
  return false;
}

absl::StatusOr<int> Supervise(pid_t child) {
  const sigset_t set = SupervisedSet();
  const UniqueFd fd(signalfd(-1, &set, SFD_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus("signalfd");
  return Supervisor(child, fd.get()).Run();
}

int ExitCode(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

void DieLike(int wait_status) {
  if (!WIFSIGNALED(wait_status)) return;
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  const int signal = WTERMSIG(wait_status);
  ::signal(signal, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  raise(signal);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace xpool::cli
