#include "sandbox/every_thread.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"

#if defined(__x86_64__)
// What a handler returns to. The kernel wants one from user space on this architecture, and libc's is not to be had for
// a signal that libc keeps to itself.
extern "C" void xpool_sandbox_sigreturn();
__asm__(
    ".text\n"
    ".hidden xpool_sandbox_sigreturn\n"
    ".globl xpool_sandbox_sigreturn\n"
    ".type xpool_sandbox_sigreturn,@function\n"
    "xpool_sandbox_sigreturn:\n"
    "  mov $15, %rax\n"  // rt_sigreturn
    "  syscall\n"
    ".size xpool_sandbox_sigreturn, .-xpool_sandbox_sigreturn\n");
#endif

namespace xpool::sandbox {
namespace {

constexpr int kSetXidSignal = 33;  // glibc's SIGSETXID: its second internal one
constexpr size_t kMaxThreads = 4096;
constexpr int64_t kPatienceNs = kNsPerMs;  // between looks whether the awaited thread still lives

enum Phase : uint32_t { kIdle, kStopping, kRunning };
enum class Progress { kSignalled, kStopped, kDone, kEnded };

struct Slot {
  std::atomic<pid_t> thread{0};
  std::atomic<Progress> progress{Progress::kSignalled};
  std::atomic<int> result{0};
};

// What the handler sees. Static, so that a handler that runs late finds it, and idle.
struct Round {
  std::atomic<uint32_t> phase{kIdle};  // futex: stopped threads wait for the end of kStopping
  std::atomic<uint32_t> answers{0};    // futex: the one that stops them waits for more
  std::atomic<ThreadWork> work{nullptr};
  std::atomic<const void*> argument{nullptr};
  std::atomic<size_t> used{0};
  std::array<Slot, kMaxThreads> slots;
};
Round current;

void Futex(std::atomic<uint32_t>& word, int operation, uint32_t value, const timespec* timeout = nullptr) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), operation, value, timeout, nullptr, 0);
}

Slot* FindSlot(pid_t thread) {
  const size_t used = current.used.load();
  for (size_t i = 0; i < used; ++i) {
    if (current.slots[i].thread.load() == thread) return &current.slots[i];
  }
  return nullptr;
}

void Answer(Slot& slot, Progress progress) {
  slot.progress.store(progress);
  current.answers.fetch_add(1);
  Futex(current.answers, FUTEX_WAKE_PRIVATE, 1);
}

void StopAndRun(Slot& slot) {
  Answer(slot, Progress::kStopped);
  while (current.phase.load() == kStopping) Futex(current.phase, FUTEX_WAIT_PRIVATE, kStopping);
  if (current.phase.load() != kRunning) return;
  slot.result.store(current.work.load()(current.argument.load()));
  Answer(slot, Progress::kDone);
}

void HandleSignal(int, siginfo_t* info, void*) {
  const int saved_errno = errno;
  if (current.phase.load() == kStopping && info->si_code == SI_TKILL && info->si_pid == getpid()) {
    Slot* const slot = FindSlot(static_cast<pid_t>(syscall(SYS_gettid)));
    if (slot != nullptr && slot->progress.load() == Progress::kSignalled) StopAndRun(*slot);
  }
  errno = saved_errno;
}

// The kernel's struct of rt_sigaction(2) on x86-64 and arm64.
struct KernelSigaction {
  void (*handler)(int, siginfo_t*, void*) = nullptr;
  unsigned long flags = 0;
  void (*restorer)() = nullptr;
  uint64_t mask = 0;
};

// Takes the signal from glibc, and gives it back.
class BorrowedSignal {
 public:
  absl::Status Take() {
    KernelSigaction action;
    action.handler = HandleSignal;
    action.flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    action.mask = ~uint64_t{0};
#if defined(__x86_64__)
    constexpr unsigned long kRestorer = 0x04000000;  // SA_RESTORER
    action.flags |= kRestorer;
    action.restorer = xpool_sandbox_sigreturn;
#endif
    if (Set(&action, &before_) != 0) return ErrnoStatus("rt_sigaction for the signal that reaches every thread");
    return absl::OkStatus();
  }
  // Only when no thread has yet to take its signal, whose action by default is to end the process.
  void GiveBack() { Set(&before_, nullptr); }

 private:
  static long Set(const KernelSigaction* action, KernelSigaction* before) {
    return syscall(SYS_rt_sigaction, kSetXidSignal, action, before, sizeof(uint64_t));
  }
  KernelSigaction before_;
};

// What became of a round, in values that take no memory.
struct Trouble {
  enum Kind { kNone, kSilent, kTooMany, kNotSignalled, kNotListed } kind = kNone;
  pid_t thread = 0;
  int error = 0;
};

// One call of RunInOtherThreads. Until the threads go on, nothing here may take a lock or memory: a stopped thread may
// hold what it would need.
class Broadcast {
 public:
  Broadcast(const ThreadList& list, ThreadWork work, const void* argument, int64_t deadline_ns)
      : list_(list), deadline_ns_(deadline_ns), self_(static_cast<pid_t>(syscall(SYS_gettid))) {
    current.used.store(0);
    current.argument.store(argument);
    current.work.store(work);
  }

  // Stops all, runs the work in all. Upon trouble those that were stopped go on without it.
  Trouble Run() {
    current.phase.store(kStopping);
    while (StopNew() && AwaitAll(Progress::kStopped)) continue;
    GoOn(trouble_.kind == Trouble::kNone ? kRunning : kIdle);
    if (trouble_.kind == Trouble::kNone) AwaitAll(Progress::kDone);
    current.phase.store(kIdle);
    return trouble_;
  }

 private:
  // Signals the threads that are not known yet. False when there is none, and so all are stopped, or upon trouble.
  bool StopNew() {
    bool found = false;
    const bool listed = list_.ForEach([&](pid_t thread) {
      if (thread == self_ || FindSlot(thread) != nullptr || trouble_.kind != Trouble::kNone) return;
      found = true;
      Signal(thread);
    });
    if (!listed) trouble_ = {Trouble::kNotListed, 0, errno};
    return found && trouble_.kind == Trouble::kNone;
  }

  void Signal(pid_t thread) {
    const size_t index = current.used.load();
    if (index == kMaxThreads) {
      trouble_ = {Trouble::kTooMany, thread, 0};
      return;
    }
    Slot& slot = current.slots[index];
    slot.thread.store(thread);
    slot.progress.store(Progress::kSignalled);
    slot.result.store(0);
    current.used.store(index + 1);
    if (syscall(SYS_tgkill, getpid(), thread, kSetXidSignal) == 0) return;
    if (errno == ESRCH) {
      slot.progress.store(Progress::kEnded);
    } else {
      trouble_ = {Trouble::kNotSignalled, thread, errno};
    }
  }

  bool AwaitAll(Progress progress) {
    for (size_t i = 0; i < current.used.load() && trouble_.kind == Trouble::kNone; ++i)
      Await(current.slots[i], progress);
    return trouble_.kind == Trouble::kNone;
  }

  void Await(Slot& slot, Progress progress) {
    while (true) {
      const uint32_t answers = current.answers.load();
      if (slot.progress.load() == progress || slot.progress.load() == Progress::kEnded) return;
      const timespec patience = {0, kPatienceNs};
      Futex(current.answers, FUTEX_WAIT_PRIVATE, answers, &patience);
      if (current.answers.load() != answers) continue;
      if (list_.HasEnded(slot.thread.load())) slot.progress.store(Progress::kEnded);
      if (MonotonicNowNs() < deadline_ns_) continue;
      trouble_ = {Trouble::kSilent, slot.thread.load(), 0};
      return;
    }
  }

  static void GoOn(Phase phase) {
    current.phase.store(phase);
    Futex(current.phase, FUTEX_WAKE_PRIVATE, INT_MAX);
  }

  const ThreadList& list_;
  const int64_t deadline_ns_;
  const pid_t self_;
  Trouble trouble_;
};

absl::Status Describe(const Trouble& trouble) {
  switch (trouble.kind) {
    case Trouble::kNone:
      return absl::OkStatus();
    case Trouble::kSilent:
      return absl::DeadlineExceededError(absl::StrCat("thread ", trouble.thread, " does not answer: it is stopped, or ",
                                                      "blocks signal ", kSetXidSignal, " by a raw call"));
    case Trouble::kTooMany:
      return absl::ResourceExhaustedError(absl::StrCat("this process has more than ", kMaxThreads, " threads"));
    case Trouble::kNotSignalled:
      return absl::ErrnoToStatus(trouble.error, absl::StrCat("signalling thread ", trouble.thread));
    case Trouble::kNotListed:
      return absl::ErrnoToStatus(trouble.error, "listing the threads of this process");
  }
  return absl::OkStatus();
}

// The threads that the work has run in; an error for one in which it failed.
absl::StatusOr<std::vector<pid_t>> Results(std::string (*describe)(int)) {
  std::vector<pid_t> threads;
  for (size_t i = 0; i < current.used.load(); ++i) {
    const pid_t thread = current.slots[i].thread.load();
    const int result = current.slots[i].result.load();
    if (result != 0) return absl::AbortedError(absl::StrCat("thread ", thread, ": ", describe(result)));
    if (current.slots[i].progress.load() == Progress::kDone) threads.push_back(thread);
  }
  return threads;
}

// The kernel's struct linux_dirent64.
struct DirectoryEntry {
  uint64_t inode;
  int64_t offset;
  uint16_t bytes;
  uint8_t type;
  char name[1];
};

}  // namespace

absl::StatusOr<ThreadList> ThreadList::Open() {
  UniqueFd tasks(open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!tasks.valid()) return ErrnoStatus("opening /proc/self/task, which must be mounted for a sandbox");
  return ThreadList(std::move(tasks));
}

bool ThreadList::ForEach(absl::FunctionRef<void(pid_t)> visit) const {
  alignas(DirectoryEntry) char buffer[8192];
  if (lseek(directory(), 0, SEEK_SET) != 0) return false;
  while (true) {
    const long got = syscall(SYS_getdents64, directory(), buffer, sizeof(buffer));
    if (got <= 0) return got == 0;
    for (long at = 0; at < got;) {
      const auto* const entry = reinterpret_cast<const DirectoryEntry*>(buffer + at);
      const char* const name = buffer + at + offsetof(DirectoryEntry, name);
      if (name[0] != '.') visit(static_cast<pid_t>(std::strtol(name, nullptr, 10)));
      at += entry->bytes;
    }
  }
}

bool ThreadList::HasEnded(pid_t thread) const {
  char text[128];
  snprintf(text, sizeof(text), "%d/stat", static_cast<int>(thread));
  const UniqueFd file(openat(directory(), text, O_RDONLY | O_CLOEXEC));
  const ssize_t got = file.valid() ? read(file.get(), text, sizeof(text)) : -1;
  if (got <= 0) return true;
  const std::string_view line(text, static_cast<size_t>(got));
  const size_t name_end = line.rfind(") ");  // the name is at most 15 bytes, so the state is among those read
  return name_end != std::string_view::npos && (line[name_end + 2] == 'Z' || line[name_end + 2] == 'X');
}

absl::StatusOr<std::vector<pid_t>> RunInOtherThreads(const ThreadList& threads, ThreadWork work, const void* argument,
                                                     int64_t deadline_ns, std::string (*describe)(int result)) {
  BorrowedSignal signal;
  RETURN_IF_ERROR(signal.Take());
  const Trouble trouble = Broadcast(threads, work, argument, deadline_ns).Run();
  RETURN_IF_ERROR(Describe(trouble));  // the signal may still be pending somewhere: it stays ours
  signal.GiveBack();
  return Results(describe);
}

}  // namespace xpool::sandbox
