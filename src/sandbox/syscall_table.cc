#include "sandbox/syscall_table.h"

#include <seccomp.h>

#include <iterator>

namespace xpool::sandbox {
namespace {

constexpr int kMapShadowStack = 453;  // younger than Debian 12's headers; the same everywhere

// Memory: the allocator, buffers, threads' stacks, mapping what was compiled.
constexpr int kMemory[] = {SCMP_SYS(brk),      SCMP_SYS(mmap),    SCMP_SYS(munmap),  SCMP_SYS(mremap),
                           SCMP_SYS(mprotect), SCMP_SYS(madvise), SCMP_SYS(mincore), SCMP_SYS(msync)};

// Threads, and waiting for one another. (Making them is judged by clone's flags.)
constexpr int kThreads[] = {SCMP_SYS(futex),
                            SCMP_SYS(set_robust_list),
                            SCMP_SYS(get_robust_list),
                            SCMP_SYS(rseq),
                            SCMP_SYS(set_tid_address),
                            SCMP_SYS(arch_prctl),
                            SCMP_SYS(gettid),
                            SCMP_SYS(getpid),
                            SCMP_SYS(getppid),
                            SCMP_SYS(exit),
                            SCMP_SYS(exit_group),
                            SCMP_SYS(sched_yield),
                            SCMP_SYS(getcpu),
                            SCMP_SYS(sched_getaffinity),
                            SCMP_SYS(sched_getparam),
                            SCMP_SYS(membarrier),
                            SCMP_SYS(restart_syscall),
                            SCMP_SYS(sched_getscheduler),
                            SCMP_SYS(sched_get_priority_max),
                            SCMP_SYS(sched_get_priority_min)};

// Signals of one's own.
constexpr int kSignals[] = {
    SCMP_SYS(rt_sigaction),    SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigpending),
    SCMP_SYS(rt_sigtimedwait), SCMP_SYS(rt_sigsuspend),  SCMP_SYS(sigaltstack),  SCMP_SYS(pause)};

// Time, and sleeping.
constexpr int kTime[] = {
    SCMP_SYS(clock_gettime),   SCMP_SYS(clock_getres),   SCMP_SYS(gettimeofday),    SCMP_SYS(time),
    SCMP_SYS(times),           SCMP_SYS(nanosleep),      SCMP_SYS(clock_nanosleep), SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_gettime)};

// Facts about oneself and the machine.
constexpr int kFacts[] = {SCMP_SYS(getuid),    SCMP_SYS(geteuid),   SCMP_SYS(getgid),    SCMP_SYS(getegid),
                          SCMP_SYS(getresuid), SCMP_SYS(getresgid), SCMP_SYS(getrlimit), SCMP_SYS(getrusage),
                          SCMP_SYS(uname),     SCMP_SYS(sysinfo),   SCMP_SYS(getrandom), SCMP_SYS(getpgrp)};

// Descriptors: the worker's connections and doorbells, files that Landlock lets it open, waiting on all of them.
constexpr int kDescriptors[] = {
    SCMP_SYS(read),         SCMP_SYS(write),         SCMP_SYS(readv),       SCMP_SYS(writev),     SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),     SCMP_SYS(preadv),        SCMP_SYS(pwritev),     SCMP_SYS(preadv2),    SCMP_SYS(pwritev2),
    SCMP_SYS(lseek),        SCMP_SYS(close),         SCMP_SYS(close_range), SCMP_SYS(dup),        SCMP_SYS(dup2),
    SCMP_SYS(dup3),         SCMP_SYS(fstat),         SCMP_SYS(fsync),       SCMP_SYS(fdatasync),  SCMP_SYS(pipe),
    SCMP_SYS(pipe2),        SCMP_SYS(poll),          SCMP_SYS(ppoll),       SCMP_SYS(select),     SCMP_SYS(pselect6),
    SCMP_SYS(epoll_create), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl),   SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2), SCMP_SYS(eventfd2),      SCMP_SYS(recvfrom),    SCMP_SYS(sendmsg),    SCMP_SYS(recvmsg),
    SCMP_SYS(shutdown),     SCMP_SYS(getsockopt),    SCMP_SYS(getsockname), SCMP_SYS(getpeername)};

// Opening and looking. Which files can be opened is Landlock's; it does not restrict looking (stat, access, readlink).
constexpr int kLooking[] = {SCMP_SYS(open),       SCMP_SYS(openat),     SCMP_SYS(access),  SCMP_SYS(faccessat),
                            SCMP_SYS(faccessat2), SCMP_SYS(stat),       SCMP_SYS(lstat),   SCMP_SYS(newfstatat),
                            SCMP_SYS(statx),      SCMP_SYS(statfs),     SCMP_SYS(fstatfs), SCMP_SYS(readlink),
                            SCMP_SYS(readlinkat), SCMP_SYS(getdents64), SCMP_SYS(getcwd)};

// Compilers' caches and temporary files. No links, devices, sockets, pipes with names, extended attributes or owners;
// and modes and times through descriptors alone, as Landlock lets both be changed of any file whose owner the worker
// is.
constexpr int kWriting[] = {SCMP_SYS(mkdir),    SCMP_SYS(mkdirat),   SCMP_SYS(rmdir),     SCMP_SYS(unlink),
                            SCMP_SYS(unlinkat), SCMP_SYS(rename),    SCMP_SYS(renameat),  SCMP_SYS(renameat2),
                            SCMP_SYS(umask),    SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(fchmod),
                            SCMP_SYS(flock)};

// Starting the linker. (What may be started is Landlock's.)
constexpr int kProcesses[] = {SCMP_SYS(execve), SCMP_SYS(wait4), SCMP_SYS(waitid)};

// Drivers of cards pin memory and ask where it lies.
constexpr int kDevices[] = {SCMP_SYS(mlock), SCMP_SYS(munlock), SCMP_SYS(mlock2), SCMP_SYS(get_mempolicy)};

// Reaching the agent again. Nobody listens here.
constexpr int kConnecting[] = {SCMP_SYS(connect)};

constexpr int kFatal[] = {
    // other processes
    SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(kcmp), SCMP_SYS(pidfd_getfd),
    SCMP_SYS(process_madvise), SCMP_SYS(move_pages), SCMP_SYS(migrate_pages),
    // parts of the kernel with a long record of holes, which no driver uses
    SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(keyctl), SCMP_SYS(add_key),
    SCMP_SYS(request_key), SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register),
    SCMP_SYS(open_by_handle_at), SCMP_SYS(name_to_handle_at), SCMP_SYS(lookup_dcookie), SCMP_SYS(fanotify_init),
    SCMP_SYS(remap_file_pages), SCMP_SYS(uselib), SCMP_SYS(nfsservctl),
    // mounts and namespaces
    SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(move_mount),
    SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick),
    SCMP_SYS(mount_setattr), SCMP_SYS(setns), SCMP_SYS(unshare),
    // the machine
    SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(init_module), SCMP_SYS(finit_module),
    SCMP_SYS(delete_module), SCMP_SYS(create_module), SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(reboot),
    SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(clock_adjtime), SCMP_SYS(adjtimex), SCMP_SYS(acct),
    SCMP_SYS(quotactl), SCMP_SYS(syslog), SCMP_SYS(sethostname), SCMP_SYS(setdomainname), SCMP_SYS(iopl),
    SCMP_SYS(ioperm), SCMP_SYS(vhangup),
    // another identity
    SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setreuid), SCMP_SYS(setregid), SCMP_SYS(setresuid),
    SCMP_SYS(setresgid), SCMP_SYS(setfsuid), SCMP_SYS(setfsgid), SCMP_SYS(setgroups), SCMP_SYS(capset)};

constexpr int kAbsent[] = {SCMP_SYS(clone3), SCMP_SYS(openat2), kMapShadowStack};

}  // namespace

std::vector<int> AllowedSyscalls(Profile profile, Sockets sockets) {
  std::vector<int> allowed;
  const auto add = [&allowed](const auto& group) { allowed.insert(allowed.end(), std::begin(group), std::end(group)); };
  add(kMemory);
  add(kThreads);
  add(kSignals);
  add(kTime);
  add(kFacts);
  add(kDescriptors);
  add(kLooking);
  const ProfileTraits traits = TraitsOf(profile);
  if (traits.writes_files) add(kWriting);
  if (traits.starts_processes) add(kProcesses);
  if (traits.controls_devices) add(kDevices);
  if (sockets != Sockets::kNone) add(kConnecting);
  return allowed;
}

std::vector<int> FatalSyscalls() { return {std::begin(kFatal), std::end(kFatal)}; }

std::vector<int> AbsentSyscalls() { return {std::begin(kAbsent), std::end(kAbsent)}; }

}  // namespace xpool::sandbox
