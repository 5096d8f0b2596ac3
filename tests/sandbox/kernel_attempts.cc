// Parts of the kernel that no worker needs.
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>

#include "attempts.h"
#include "sandbox/landlock_abi.h"

namespace xpool::sandbox {
namespace {

int TypeIntoTerminal(const Scene&) {
  const char key = 'x';
  return Result(ioctl(STDIN_FILENO, TIOCSTI, &key));
}

// The second argument's upper half is not the kernel's concern, and must not be a way around the filter.
int TypeWithHighBits(const Scene&) {
  const char key = 'x';
  return Raw(SYS_ioctl, STDIN_FILENO, 0x100000000UL | TIOCSTI, &key);
}

int SetClock(const Scene&) {
  const timeval zero = {};
  return Raw(SYS_settimeofday, &zero, nullptr);
}

#if defined(__x86_64__)
// The system calls of 32-bit programs have other numbers: 20 is getpid there.
int CallAs32Bit(const Scene&) {
  long result = 20;
  __asm__ volatile("int $0x80" : "+a"(result) : : "memory", "cc");
  return result >= 0 ? 0 : static_cast<int>(-result);
}
#endif

}  // namespace

std::vector<Attempt> KernelAttempts() {
  std::vector<Attempt> attempts = {
      {"Mounts", kKilled, [](const Scene& s) { return Result(mount("none", s.own.cache().c_str(), "tmpfs", 0, "")); }},
      {"Unmounts", kKilled, [](const Scene&) { return Result(umount2("/proc", MNT_DETACH)); }},
      {"OpensFileSystem", kKilled, Calls(SYS_fsopen, "tmpfs", 0)},
      {"ChangesRoot", kKilled, [](const Scene& s) { return Result(chroot(s.own.cache().c_str())); }},
      {"PivotsRoot", kKilled, Calls(SYS_pivot_root, ".", ".")},
      {"EntersNamespaceOfAgent", kKilled,
       [](const Scene& s) { return Raw(SYS_setns, s.agent_pidfd.get(), 0x20000000); }},
      {"LoadsBpf", kKilled,
       [](const Scene&) {
         bpf_attr attributes{};
         return Raw(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes));
       }},
      {"OpensPerfEvent", kKilled,
       [](const Scene&) {
         perf_event_attr attributes{};
         return Raw(SYS_perf_event_open, &attributes, 0, -1, -1, 0);
       }},
      {"OpensUserfault", kKilled, Calls(SYS_userfaultfd, 0)},
      {"AddsKey", kKilled, Calls(SYS_add_key, "user", "x", "y", 1, -3)},
      {"UsesKeyring", kKilled, Calls(SYS_keyctl, 0, -3, 0)},
      {"RequestsKey", kKilled, Calls(SYS_request_key, "user", "x", "", -3)},
      {"SetsUpIoUring", kKilled,
       [](const Scene&) {
         char parameters[120] = {};
         return Raw(SYS_io_uring_setup, 4, parameters);
       }},
      {"OpensByHandle", kKilled, Calls(SYS_open_by_handle_at, 0, nullptr, 0)},
      {"LoadsModule", kKilled, Calls(SYS_init_module, nullptr, 0, "")},
      {"LoadsModuleFile", kKilled, Calls(SYS_finit_module, 0, "", 0)},
      {"LoadsKernel", kKilled, Calls(SYS_kexec_load, 0, 0, nullptr, 0)},
      {"SwitchesSwapOn", kKilled, [](const Scene&) { return Result(swapon("/nowhere", 0)); }},
      {"Reboots", kKilled, Calls(SYS_reboot, 0, 0, 0, nullptr)},  // wrong magic, in case
      {"SetsClock", kKilled, SetClock},
      {"NamesHost", kKilled, Calls(SYS_sethostname, "x", 1)},
      {"SwitchesRandomAddressesOff", kKilled, [](const Scene&) { return Result(personality(ADDR_NO_RANDOMIZE)); }},
      {"TypesIntoTerminal", EPERM, TypeIntoTerminal},
      {"TypesWithHighBits", EPERM, TypeWithHighBits},
      {"MakesMemoryFile", EPERM, [](const Scene&) { return Result(memfd_create("x", 0)); }},
      {"StacksFilter", EPERM, Calls(SYS_seccomp, 1, 0, nullptr)},
      {"MakesLandlockRuleset", EPERM, Calls(kSysLandlockCreateRuleset, nullptr, 0, kCreateRulesetVersion)},
      {"ReadsKernelLog", kKilled, Calls(SYS_syslog, 3, nullptr, 0)},
      {"ExecutesDescriptor", EPERM, Calls(SYS_execveat, 0, "", nullptr, nullptr, AT_EMPTY_PATH)},
  };
#if defined(__x86_64__)
  attempts.push_back({"CallsAs32Bit", kKilled, CallAs32Bit});
  attempts.push_back({"CallsAsX32", kKilled, Calls(0x40000000 | SYS_getpid)});
#endif
  return attempts;
}

}  // namespace xpool::sandbox
