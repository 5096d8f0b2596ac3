#include "base/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/clock.h"
#include "base/status.h"

namespace xpool {

absl::StatusOr<ProcessStat> ReadProcessStat(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  std::string text;
  if (!std::getline(file, text)) return absl::NotFoundError(absl::StrCat("there is no process ", pid));
  const size_t open = text.find('('), close = text.rfind(')');  // comm may itself hold brackets
  if (open == std::string::npos || close == std::string::npos || close + 2 >= text.size()) {
    return absl::DataLossError(absl::StrCat("/proc/", pid, "/stat is not understood"));
  }
  ProcessStat stat;
  stat.command = text.substr(open + 1, close - open - 1);
  std::istringstream fields(text.substr(close + 2));
  std::string skipped;
  uint64_t user_ticks = 0, system_ticks = 0;
  fields >> stat.state >> stat.parent;  // fields 3 and 4 of proc(5)
  for (int i = 5; i <= 13; ++i) fields >> skipped;
  fields >> user_ticks >> system_ticks;  // 14, 15
  for (int i = 16; i <= 21; ++i) fields >> skipped;
  fields >> stat.start_ticks;  // 22
  static const int64_t ns_per_tick = kNsPerSec / sysconf(_SC_CLK_TCK);
  stat.cpu_time_ns = static_cast<int64_t>(user_ticks + system_ticks) * ns_per_tick;
  return stat;
}

absl::StatusOr<UniqueFd> OpenPidfd(pid_t pid) {
  UniqueFd fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (fd.valid()) return fd;
  if (errno == ESRCH) return absl::NotFoundError(absl::StrCat("there is no process ", pid));
  return ErrnoStatus(absl::StrCat("pidfd_open(", pid, ")"));
}

pid_t PidOfPidfd(int pidfd) {
  std::ifstream file(absl::StrCat("/proc/self/fdinfo/", pidfd));
  std::string line;
  while (std::getline(file, line)) {
    int pid = 0;
    if (sscanf(line.c_str(), "Pid: %d", &pid) == 1) return pid > 0 ? pid : 0;
  }
  return 0;
}

bool PidfdIsDead(int pidfd) {
  pollfd entry{pidfd, POLLIN, 0};
  return poll(&entry, 1, 0) == 1;
}

absl::StatusOr<UniqueFd> OpenSameProcess(pid_t pid, uint64_t start_ticks) {
  ASSIGN_OR_RETURN(UniqueFd pidfd, OpenPidfd(pid));
  ASSIGN_OR_RETURN(const ProcessStat stat, ReadProcessStat(pid));  // after the pidfd: what lives now lived then
  if (stat.start_ticks == start_ticks) return pidfd;
  return absl::NotFoundError(absl::StrCat("process ", pid, " is another one now"));
}

bool KillByPidfd(int pidfd) { return syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0) == 0; }

int64_t ProcessCpuTimeNs(pid_t pid) {
  clockid_t clock;
  if (clock_getcpuclockid(pid, &clock) != 0) return -1;
  timespec time;
  if (clock_gettime(clock, &time) != 0) return -1;
  return int64_t{time.tv_sec} * kNsPerSec + time.tv_nsec;
}

bool ForEachThread(pid_t pid, absl::FunctionRef<void(int tasks, pid_t thread)> visit) {
  DIR* const tasks = opendir(absl::StrCat("/proc/", pid, "/task").c_str());
  if (tasks == nullptr) return false;
  while (const dirent* entry = readdir(tasks)) {
    if (entry->d_name[0] != '.') visit(dirfd(tasks), static_cast<pid_t>(std::strtol(entry->d_name, nullptr, 10)));
  }
  closedir(tasks);
  return true;
}

namespace {

// The kernel's struct sched_attr in its first version, which no libc header of Debian 12 has.
struct SchedAttr {
  uint32_t size = sizeof(SchedAttr);
  uint32_t policy = SCHED_OTHER;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0;
  uint64_t deadline = 0;
  uint64_t period = 0;
};
static_assert(sizeof(SchedAttr) == 48);

void SetThreadScheduling(pid_t thread, const CpuScheduling& scheduling) {
  SchedAttr attr;
  if (syscall(SYS_sched_getattr, thread, &attr, sizeof(attr), 0) != 0 || attr.policy != SCHED_OTHER) return;
  const int nice_before = attr.nice;
  attr.size = sizeof(attr);
  attr.nice = scheduling.nice;
  attr.runtime = static_cast<uint64_t>(scheduling.slice_ns);
  if (syscall(SYS_sched_setattr, thread, &attr, 0) == 0 || (errno != EPERM && errno != EACCES)) return;
  attr.nice = nice_before;
  syscall(SYS_sched_setattr, thread, &attr, 0);
}

// Whether |pid|'s session is its own: it leads it, or the `xpool run` that started it does.
bool HasOwnSession(pid_t pid) {
  const pid_t session = getsid(pid);
  if (session == pid) return true;
  const auto stat = ReadProcessStat(pid);
  if (!stat.ok() || session <= 0 || session != stat->parent) return false;
  const auto leader = ReadProcessStat(session);
  return leader.ok() && leader->command == "xpool";
}

// The second field of /proc/PID/task/TID/schedstat; 0 when it cannot be read, as of a thread that has just exited.
int64_t RunQueueWaitNs(int tasks, pid_t thread) {
  const UniqueFd file(openat(tasks, absl::StrCat(thread, "/schedstat").c_str(), O_RDONLY | O_CLOEXEC));
  char text[96];
  const ssize_t got = file.valid() ? read(file.get(), text, sizeof(text) - 1) : -1;
  if (got <= 0) return 0;
  text[got] = '\0';
  long long run_ns = 0, wait_ns = 0;
  return sscanf(text, "%lld %lld", &run_ns, &wait_ns) == 2 ? wait_ns : 0;
}

}  // namespace

int64_t ProcessCpuDemandNs(pid_t pid) {
  int64_t wait_ns = 0;
  const bool there =
      ForEachThread(pid, [&wait_ns](int tasks, pid_t thread) { wait_ns += RunQueueWaitNs(tasks, thread); });
  if (!there) return -1;
  // Not schedstat's own first field: that of a running thread is a scheduler tick old, about as long as a lease.
  const int64_t run_ns = ProcessCpuTimeNs(pid);
  return run_ns < 0 ? -1 : run_ns + wait_ns;
}

std::string BootId() {
  static const std::string* const id = [] {
    auto* name = new std::string;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> *name;
    if (!name->empty()) return name;
    uint64_t parts[2] = {};
    if (getrandom(parts, sizeof(parts), 0) != sizeof(parts)) abort();  // a name that repeats would be none
    *name = absl::StrCat("process-", absl::Hex(parts[0]), "-", absl::Hex(parts[1]));
    return name;
  }();
  return *id;
}

void SetCpuScheduling(pid_t pid, const CpuScheduling& scheduling) {
  if (HasOwnSession(pid)) std::ofstream(absl::StrCat("/proc/", pid, "/autogroup")) << scheduling.nice;
  ForEachThread(pid, [&scheduling](int, pid_t thread) { SetThreadScheduling(thread, scheduling); });
}

}  // namespace xpool
