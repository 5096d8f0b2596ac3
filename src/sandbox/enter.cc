#include "sandbox/enter.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/clock.h"
#include "base/fd.h"
#include "base/status.h"
#include "sandbox/confine_thread.h"
#include "sandbox/every_thread.h"
#include "sandbox/landlock.h"
#include "sandbox/process_limits.h"
#include "sandbox/thread_status.h"

namespace xpool::sandbox {
namespace {

constexpr int64_t kThreadsDeadlineNs = 2 * kNsPerSec;
constexpr int64_t kExitLookNs = kNsPerMs / 5;

bool Has(const ThreadStatus& status, int capability) { return (status.effective >> capability & 1) != 0; }

absl::StatusOr<ThreadStatus> OwnStatus() {
  const UniqueFd file(open("/proc/thread-self/status", O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return ErrnoStatus("opening /proc/thread-self/status, which a sandbox needs");
  return ReadThreadStatus(file.get());
}

// A child made before would stay outside the sandbox.
absl::Status CheckNoChildren() {
  siginfo_t info;
  if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) != 0 && errno == ECHILD) return absl::OkStatus();
  return absl::FailedPreconditionError("the worker has child processes; it must end and reap them before its sandbox");
}

absl::Status CheckIdentity(const Spec& spec, const ThreadStatus& self) {
  if (!spec.identity) {
    if (std::find(self.uids.begin(), self.uids.end(), 0u) == self.uids.end()) return absl::OkStatus();
    return absl::InvalidArgumentError("a worker started by root must be given a user and a group of its tenant's own");
  }
  if (spec.identity->uid == 0 || spec.identity->gid == 0) {
    return absl::InvalidArgumentError("a worker cannot be confined as root; give it a user and a group above 0");
  }
  if (Has(self, CAP_SETUID) && Has(self, CAP_SETGID)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("a worker of user ", self.uids[1], " cannot take user ",
                                                    spec.identity->uid,
                                                    "; run the agent as root, or give no identity"));
}

struct Domain {
  int abi = 0;
  std::optional<LandlockRuleset> ruleset;
};

// The version to use, 0 when there is none that the profile can work under.
int UsableLandlock(Profile profile, const Spec& spec, std::vector<std::string>& missing) {
  const int abi = std::min(LandlockAbi(), spec.landlock_abi_limit);
  if (abi < 1) {
    missing.push_back(
        "this kernel has no Landlock (Linux 5.13 with it switched on): files are kept by permissions alone");
    return 0;
  }
  if (abi < 2 && TraitsOf(profile).renames_between_directories) {
    missing.push_back(
        absl::StrCat("Landlock 1 of this kernel forbids what the driver does (renaming between directories, profile ",
                     ProfileName(profile), "): files are kept by permissions alone"));
    return 0;
  }
  for (std::string& gap : LandlockGaps(abi)) missing.push_back(std::move(gap));
  return abi;
}

absl::StatusOr<Domain> MakeDomain(Profile profile, Sockets sockets, const Spec& spec,
                                  std::vector<std::string>& missing) {
  Domain domain;
  domain.abi = UsableLandlock(profile, spec, missing);
  if (domain.abi == 0) {
    if (spec.require_landlock) return absl::UnavailableError(missing.back());
    return domain;
  }
  ASSIGN_OR_RETURN(LandlockRuleset ruleset, LandlockRuleset::Create(domain.abi, sockets == Sockets::kInternet));
  for (const PathRule& rule : ProfilePaths(profile)) RETURN_IF_ERROR(ruleset.Allow(rule));
  for (const PathRule& rule : spec.paths) RETURN_IF_ERROR(ruleset.Allow(rule));
  domain.ruleset = std::move(ruleset);
  return domain;
}

Confinement ConfinementOf(const Spec& spec, const ThreadStatus& self, const Domain& domain) {
  Confinement how;
  how.changes_identity = spec.identity.has_value();
  how.uid = spec.identity.value_or(Identity{}).uid;
  how.gid = spec.identity.value_or(Identity{}).gid;
  how.drops_bounding_set = Has(self, CAP_SETPCAP);
  how.last_capability = LastCapability();
  if (domain.ruleset) {
    how.landlock_ruleset = domain.ruleset->fd();
    how.landlock_flags = domain.ruleset->restrict_flags();
  }
  return how;
}

void ReportSharedUser(Sockets sockets, const Spec& spec, const ThreadStatus& self, std::vector<std::string>& missing) {
  if (spec.identity) return;
  missing.push_back(absl::StrCat("the worker stays user ", self.uids[0], ", with the rights of the agent"));
  if (sockets != Sockets::kNone)
    missing.push_back("it can connect to every Unix socket with a name that this user may");
  if (self.groups != 0) missing.push_back(absl::StrCat("it keeps ", self.groups, " supplementary groups"));
  if (spec.limits.processes)
    missing.push_back("its processes are not limited: the limit would count all of this user's");
}

// Status files of threads, opened before Landlock forbids it; the kernel writes their contents when they are read.
absl::StatusOr<std::vector<UniqueFd>> OpenStatuses(const ThreadList& list, const std::vector<pid_t>& threads) {
  std::vector<UniqueFd> files;
  for (const pid_t thread : threads) {
    UniqueFd file(openat(list.directory(), absl::StrCat(thread, "/status").c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid() && errno == ENOENT) continue;  // it has ended
    if (!file.valid()) return ErrnoStatus(absl::StrCat("opening the status of thread ", thread));
    files.push_back(std::move(file));
  }
  return files;
}

// Whether the thread of a status file is confined; NOT_FOUND when it has ended. A thread on its way out is left alone
// by the kernel and looks free until it is gone, so one that looks free is looked at again.
absl::Status CheckThread(int status_file, const ExpectedStatus& expected, int64_t deadline_ns) {
  while (true) {
    const absl::StatusOr<ThreadStatus> status = ReadThreadStatus(status_file);
    RETURN_IF_ERROR(status.status());
    absl::Status checked = CheckConfined(*status, expected);
    if (checked.ok() || MonotonicNowNs() >= deadline_ns) return checked;
    const timespec pause = {0, kExitLookNs};
    nanosleep(&pause, nullptr);
  }
}

// How many there are, each of them confined.
absl::StatusOr<int> CheckThreads(const std::vector<UniqueFd>& statuses, const ExpectedStatus& expected) {
  int confined = 0;
  const int64_t deadline_ns = MonotonicNowNs() + kThreadsDeadlineNs;
  for (const UniqueFd& file : statuses) {
    const absl::Status checked = CheckThread(file.get(), expected, deadline_ns);
    if (absl::IsNotFound(checked)) continue;
    RETURN_IF_ERROR(checked);
    ++confined;
  }
  return confined;
}

// The steps that change the process. What fails here leaves it confined in part.
class Entrance {
 public:
  Entrance(const Spec& spec, const Confinement& how, const SyscallFilter& filter, bool keep_devices)
      : spec_(spec), how_(how), filter_(filter), keep_devices_(keep_devices) {}

  absl::StatusOr<int> Pass() {
    ASSIGN_OR_RETURN(const ThreadList list, ThreadList::Open());
    RETURN_IF_ERROR(JoinCgroups(spec_.cgroups));
    RETURN_IF_ERROR(CloseOthers(list));
    ASSIGN_OR_RETURN(const std::vector<UniqueFd> statuses, ConfineThreads(list));
    RETURN_IF_ERROR(SetProcess());
    RETURN_IF_ERROR(filter_.Install());
    return CheckThreads(statuses, {how_.changes_identity, how_.drops_bounding_set, how_.uid, how_.gid});
  }

 private:
  absl::Status CloseOthers(const ThreadList& list) {
    if (!spec_.keep_fds) return absl::OkStatus();
    std::vector<int> keep = *spec_.keep_fds;
    keep.insert(keep.end(), {list.directory(), how_.landlock_ruleset});
    return CloseDescriptors(keep, keep_devices_);
  }

  // This thread last: afterwards it can open no status.
  absl::StatusOr<std::vector<UniqueFd>> ConfineThreads(const ThreadList& list) {
    ASSIGN_OR_RETURN(
        std::vector<pid_t> threads,
        RunInOtherThreads(list, ConfineThisThread, &how_, MonotonicNowNs() + kThreadsDeadlineNs, DescribeConfineError));
    threads.push_back(static_cast<pid_t>(syscall(SYS_gettid)));
    ASSIGN_OR_RETURN(std::vector<UniqueFd> statuses, OpenStatuses(list, threads));
    if (const int failed = ConfineThisThread(&how_); failed != 0)
      return absl::AbortedError(DescribeConfineError(failed));
    return statuses;
  }

  absl::Status SetProcess() {
    umask(S_IRWXG | S_IRWXO);
    if (chdir("/") != 0) return ErrnoStatus("chdir(/)");
    // No other process of this user may look into this one, nor does it leave a core file.
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return ErrnoStatus("prctl(PR_SET_DUMPABLE)");
    return LowerLimits(spec_.limits, how_.changes_identity);
  }

  const Spec& spec_;
  const Confinement& how_;
  const SyscallFilter& filter_;
  const bool keep_devices_;
};

}  // namespace

absl::StatusOr<Sandbox> Sandbox::Prepare(Profile profile, Sockets sockets) {
  const pid_t process = getpid();
  ASSIGN_OR_RETURN(SyscallFilter filter, SyscallFilter::Build(profile, sockets, process));
  return Sandbox(profile, sockets, process, std::move(filter));
}

absl::StatusOr<Report> Sandbox::Enter(const Spec& spec) {
  if (getpid() != process_) return absl::FailedPreconditionError("the sandbox was prepared by another process");
  ASSIGN_OR_RETURN(const ThreadStatus self, OwnStatus());
  RETURN_IF_ERROR(CheckIdentity(spec, self));
  RETURN_IF_ERROR(CheckNoChildren());
  RETURN_IF_ERROR(CheckRoom(spec.limits));
  Report report;
  ASSIGN_OR_RETURN(const Domain domain, MakeDomain(profile_, sockets_, spec, report.missing));
  report.landlock_abi = domain.abi;
  ReportSharedUser(sockets_, spec, self, report.missing);
  const Confinement how = ConfinementOf(spec, self, domain);
  const absl::StatusOr<int> threads = Entrance(spec, how, filter_, TraitsOf(profile_).controls_devices).Pass();
  if (!threads.ok()) {
    return absl::InternalError(
        absl::StrCat("the worker is confined in part and must end: ", threads.status().message()));
  }
  report.threads = *threads;
  return report;
}

}  // namespace xpool::sandbox
