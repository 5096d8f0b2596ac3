#include "sandbox/syscall_filter.h"

#include <asm/termbits.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "base/fd.h"
#include "base/status.h"
#include "sandbox/syscall_table.h"

namespace xpool::sandbox {
namespace {

constexpr uint64_t kInt = 0xffffffff;  // what the kernel looks at of an argument of 32 bits
constexpr uint64_t kNewNamespaces =
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
// A child that would be the agent's, or out of a tracer's sight.
constexpr uint64_t kOddParents = CLONE_PARENT | CLONE_PTRACE | CLONE_UNTRACED;
constexpr uint64_t kSocketTypeMask = 0xf;

using Comparison = scmp_arg_cmp;

Comparison Masked(unsigned argument, uint64_t mask, uint64_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}
Comparison Int(unsigned argument, int value) { return Masked(argument, kInt, static_cast<uint32_t>(value)); }
Comparison Null(unsigned argument) { return {argument, SCMP_CMP_EQ, 0, 0}; }

// libseccomp's filter in the making. The first failure is kept.
class Builder {
 public:
  Builder() : filter_(seccomp_init(SCMP_ACT_ERRNO(EPERM))) {
    if (filter_ == nullptr) error_ = -ENOMEM;
    // Calls by another architecture's numbers (32-bit, x32). By default they end the one thread, and the rest hangs.
    if (error_ == 0) error_ = seccomp_attr_set(filter_.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  }

  void Rule(uint32_t action, int syscall, std::initializer_list<Comparison> comparisons = {}) {
    if (error_ != 0 || syscall < 0) return;  // below 0: not a call of this architecture
    error_ = seccomp_rule_add_array(filter_.get(), action, syscall, static_cast<unsigned>(comparisons.size()),
                                    comparisons.begin());
    if (error_ != 0) failed_syscall_ = syscall;
  }
  void Allow(int syscall, std::initializer_list<Comparison> comparisons = {}) {
    Rule(SCMP_ACT_ALLOW, syscall, comparisons);
  }
  void Kill(int syscall, std::initializer_list<Comparison> comparisons = {}) {
    Rule(SCMP_ACT_KILL_PROCESS, syscall, comparisons);
  }

  absl::StatusOr<std::vector<sock_filter>> Finish() {
    UniqueFd file(memfd_create("xpool-seccomp", MFD_CLOEXEC));
    if (!file.valid()) return ErrnoStatus("memfd_create for a system-call filter");
    if (error_ == 0) error_ = seccomp_export_bpf(filter_.get(), file.get());
    if (error_ != 0) {
      return absl::InternalError(
          absl::StrCat("libseccomp refuses a filter at system call ", failed_syscall_, " (error ", -error_, ")"));
    }
    const off_t size = lseek(file.get(), 0, SEEK_END);
    std::vector<sock_filter> program(static_cast<size_t>(size) / sizeof(sock_filter));
    const ssize_t got = pread(file.get(), program.data(), program.size() * sizeof(sock_filter), 0);
    if (size <= 0 || got != size) return ErrnoStatus("reading back a system-call filter");
    return program;
  }

 private:
  struct Closer {
    void operator()(void* filter) const { seccomp_release(filter); }
  };
  std::unique_ptr<void, Closer> filter_;
  int error_ = 0;
  int failed_syscall_ = -1;
};

// Threads always; processes for profiles that start some, which then are the worker's own children.
void AddClone(Builder& builder, const ProfileTraits& traits) {
  for (uint64_t bit = 1; bit <= kNewNamespaces; bit <<= 1) {
    if (kNewNamespaces & bit) builder.Kill(SCMP_SYS(clone), {Masked(0, bit, bit)});
  }
  const uint64_t forbidden = kNewNamespaces | kOddParents;
  if (traits.starts_processes) {
    builder.Allow(SCMP_SYS(clone), {Masked(0, forbidden, 0)});
  } else {
    builder.Allow(SCMP_SYS(clone), {Masked(0, forbidden | CLONE_THREAD, CLONE_THREAD)});
  }
}

// To the worker's own process alone. Its children cannot be named here, as they have no number yet.
void AddSignals(Builder& builder, pid_t self) {
  builder.Allow(SCMP_SYS(kill), {Int(0, self)});
  builder.Allow(SCMP_SYS(tgkill), {Int(0, self)});
  builder.Allow(SCMP_SYS(pidfd_open), {Int(0, self)});
}

void AddProcessControl(Builder& builder, pid_t self) {
  for (const int option : {PR_SET_NAME, PR_GET_NAME, PR_SET_VMA, PR_GET_DUMPABLE}) {
    builder.Allow(SCMP_SYS(prctl), {Int(0, option)});
  }
  for (const pid_t pid : {0, self}) builder.Allow(SCMP_SYS(prlimit64), {Int(0, pid), Null(2)});  // reading
  builder.Allow(SCMP_SYS(personality), {{0, SCMP_CMP_EQ, kInt, 0}});                             // asking
  builder.Kill(SCMP_SYS(personality), {{0, SCMP_CMP_NE, kInt, 0}});
}

void AddFcntl(Builder& builder) {
  for (const int command : {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW,
                            F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_ADD_SEALS, F_GET_SEALS}) {
    builder.Allow(SCMP_SYS(fcntl), {Int(1, command)});  // not F_SETOWN: it sends signals
  }
}

// Whether it is a terminal, how much is to be read, and descriptor flags. Drivers of cards: everything but the requests
// of terminals (type 'T'), which can type into another's: a type that differs from 'T' in at least one bit.
void AddIoctl(Builder& builder, const ProfileTraits& traits) {
  for (const uint64_t request : {TCGETS, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX}) {
    builder.Allow(SCMP_SYS(ioctl), {Masked(1, kInt, request)});
  }
  if (!traits.controls_devices) return;
  constexpr uint64_t kTerminal = uint64_t{'T'} << _IOC_TYPESHIFT;
  for (uint64_t bit = uint64_t{1} << _IOC_TYPESHIFT; bit < uint64_t{1} << (_IOC_TYPESHIFT + _IOC_TYPEBITS); bit <<= 1) {
    builder.Allow(SCMP_SYS(ioctl), {Masked(1, bit, ~kTerminal & bit)});
  }
}

void AddSocketOptions(Builder& builder) {
  for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO, SO_RCVBUF, SO_SNDBUF, SO_KEEPALIVE, SO_LINGER}) {
    builder.Allow(SCMP_SYS(setsockopt), {Int(1, SOL_SOCKET), Int(2, option)});
  }
  for (const int option :
       {TCP_NODELAY, TCP_QUICKACK, TCP_USER_TIMEOUT, TCP_CORK, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT}) {
    builder.Allow(SCMP_SYS(setsockopt), {Int(1, IPPROTO_TCP), Int(2, option)});
  }
}

// No datagram sockets: those could write to any other without being connected.
void AddSockets(Builder& builder, Sockets sockets) {
  builder.Allow(SCMP_SYS(sendto), {Null(4)});
  AddSocketOptions(builder);
  for (const uint64_t type : {SOCK_STREAM, SOCK_SEQPACKET}) {
    builder.Allow(SCMP_SYS(socketpair), {Int(0, AF_UNIX), Masked(1, kSocketTypeMask, type)});
    if (sockets != Sockets::kNone) {
      builder.Allow(SCMP_SYS(socket), {Int(0, AF_UNIX), Masked(1, kSocketTypeMask, type)});
    }
  }
  if (sockets != Sockets::kInternet) return;
  for (const int family : {AF_INET, AF_INET6}) {
    builder.Allow(SCMP_SYS(socket), {Int(0, family), Masked(1, kSocketTypeMask, SOCK_STREAM)});
  }
}

}  // namespace

absl::StatusOr<SyscallFilter> SyscallFilter::Build(Profile profile, Sockets sockets, pid_t self) {
  Builder builder;
  const ProfileTraits traits = TraitsOf(profile);
  for (const int syscall : AllowedSyscalls(profile, sockets)) builder.Allow(syscall);
  for (const int syscall : FatalSyscalls()) builder.Kill(syscall);
  for (const int syscall : AbsentSyscalls()) builder.Rule(SCMP_ACT_ERRNO(ENOSYS), syscall);
  AddClone(builder, traits);
  AddSignals(builder, self);
  AddProcessControl(builder, self);
  AddFcntl(builder);
  AddIoctl(builder, traits);
  AddSockets(builder, sockets);
  ASSIGN_OR_RETURN(std::vector<sock_filter> program, builder.Finish());
  return SyscallFilter(std::move(program));
}

absl::Status SyscallFilter::Install() const {
  sock_fprog program = {static_cast<unsigned short>(program_.size()), const_cast<sock_filter*>(program_.data())};
  const long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
  if (result == 0) return absl::OkStatus();
  if (result < 0) return ErrnoStatus("installing the system-call filter");
  return absl::FailedPreconditionError(
      absl::StrCat("thread ", result, " has a system-call filter of its own and cannot take the worker's"));
}

}  // namespace xpool::sandbox
