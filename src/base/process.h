// Facts about other processes of this machine, and their death.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "base/fd.h"

namespace xpool {

struct ProcessStat {
  char state = '?';  // R, S, D, T (stopped), t (traced), Z, X
  pid_t parent = 0;
  uint64_t start_ticks = 0;  // since boot: with the pid, the identity of a process
  int64_t cpu_time_ns = 0;   // user + system of all threads, in clock ticks' resolution
  std::string command;       // comm, at most 15 bytes
};

// NOT_FOUND when the process is gone.
absl::StatusOr<ProcessStat> ReadProcessStat(pid_t pid);

// A pidfd; readable (poll) once the process has died. NOT_FOUND when it is gone.
absl::StatusOr<UniqueFd> OpenPidfd(pid_t pid);

// The process a pidfd names, 0 when it has been reaped or lives in another pid namespace.
pid_t PidOfPidfd(int pidfd);

bool PidfdIsDead(int pidfd);

// A pidfd of |pid| if that is still the process that started then (ProcessStat::start_ticks); NOT_FOUND when it is not.
absl::StatusOr<UniqueFd> OpenSameProcess(pid_t pid, uint64_t start_ticks);

// SIGKILL; false when the process is gone or not ours to kill.
bool KillByPidfd(int pidfd);

// Calls |visit|(descriptor of /proc/PID/task, thread) for every thread; false when the process is gone.
bool ForEachThread(pid_t pid, absl::FunctionRef<void(int tasks, pid_t thread)> visit);

// CPU time of all threads of |pid| at nanosecond resolution, by its CPU clock; -1 when it is gone.
int64_t ProcessCpuTimeNs(pid_t pid);

// CPU time that all threads of |pid| have used or stood in a run queue for, so what they would have used on a machine
// of their own; -1 when it is gone. Where the kernel keeps no schedstat it is the CPU time alone. What a thread waited
// is lost when it exits. Reads a small file for each thread: about 100 us for ten.
int64_t ProcessCpuDemandNs(pid_t pid);

// This run of the machine, as the kernel names it; CLOCK_MONOTONIC began with it. Where the kernel does not tell, a
// random name, the same as long as this process lives.
std::string BootId();

// How the CPU scheduler treats a process's threads. (What threads it starts later inherit it.)
struct CpuScheduling {
  int nice = 0;          // -20 (first) to 19
  int64_t slice_ns = 0;  // 0: the kernel's own; a shorter one lets a thread that wakes run at once (from Linux 6.12)
};

// Best effort, thread by thread: where a lower nice value is not permitted, the rest is still set; threads of another
// than the ordinary scheduling policy are left alone. Linux may group threads by session (autogroup), and then nice
// values count only within one: a session of the program's own (it, or the `xpool run` that started it, leads it) gets
// the value too.
void SetCpuScheduling(pid_t pid, const CpuScheduling& scheduling);

}  // namespace xpool
