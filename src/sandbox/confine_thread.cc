#include "sandbox/confine_thread.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "sandbox/landlock_abi.h"

namespace xpool::sandbox {
namespace {

enum Step : int {
  kAmbient,
  kBounding,
  kGroups,
  kGroup,
  kUser,
  kCapabilities,
  kDeathSignal,
  kNoNewPrivileges,
  kLandlock
};
constexpr const char* kStepNames[] = {"clearing the ambient capabilities",
                                      "dropping the capability bounding set",
                                      "leaving the supplementary groups",
                                      "taking the group",
                                      "taking the user",
                                      "dropping the capabilities",
                                      "keeping the parent-death signal",
                                      "setting no_new_privs",
                                      "entering the Landlock domain"};

int Failed(Step step) { return (step << 16) | errno; }

// Raw calls: libc's would change all threads at once, and not from a signal handler.
int TakeIdentity(const Confinement& how) {
  int death_signal = 0;  // cleared by a change of user or group
  syscall(SYS_prctl, PR_GET_PDEATHSIG, &death_signal, 0, 0, 0);
  if (syscall(SYS_setgroups, 0, nullptr) != 0) return Failed(kGroups);
  if (syscall(SYS_setresgid, how.gid, how.gid, how.gid) != 0) return Failed(kGroup);
  if (syscall(SYS_setresuid, how.uid, how.uid, how.uid) != 0) return Failed(kUser);
  if (death_signal != 0 && syscall(SYS_prctl, PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0)
    return Failed(kDeathSignal);
  return 0;
}

// Asking first is cheap, where dropping is not: a worker that dropped them before it had threads is through at once.
int DropBoundingSet(int last_capability) {
  for (int capability = 0; capability <= last_capability; ++capability) {
    if (syscall(SYS_prctl, PR_CAPBSET_READ, capability, 0, 0, 0) == 0) continue;
    if (syscall(SYS_prctl, PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) return Failed(kBounding);
  }
  return 0;
}

int DropCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  return syscall(SYS_capset, &header, none) == 0 ? 0 : Failed(kCapabilities);
}

int Confine(const Confinement& how) {
  if (syscall(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return Failed(kAmbient);
  if (const int failed = how.drops_bounding_set ? DropBoundingSet(how.last_capability) : 0; failed != 0) return failed;
  if (const int failed = how.changes_identity ? TakeIdentity(how) : 0; failed != 0) return failed;
  if (const int failed = DropCapabilities(); failed != 0) return failed;
  if (syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return Failed(kNoNewPrivileges);
  if (how.landlock_ruleset < 0) return 0;
  const long entered = syscall(kSysLandlockRestrictSelf, how.landlock_ruleset, how.landlock_flags);
  return entered == 0 ? 0 : Failed(kLandlock);
}

}  // namespace

int ConfineThisThread(const void* confinement) { return Confine(*static_cast<const Confinement*>(confinement)); }

std::string DescribeConfineError(int result) {
  const size_t step = static_cast<size_t>(result >> 16);
  const char* const name = step < std::size(kStepNames) ? kStepNames[step] : "an unknown step";
  return absl::StrCat(name, " failed: ", strerror(result & 0xffff));
}

int LastCapability() {
  int last = -1;
  std::ifstream("/proc/sys/kernel/cap_last_cap") >> last;
  return last >= 0 && last < 63 ? last : 63;
}

}  // namespace xpool::sandbox
