// Runs a function once in each thread of this process, also in threads of libraries that were never meant to be
// reached: what Linux keeps per thread (capabilities, no_new_privs, Landlock domains) has to be changed by each thread
// itself.
//
// All of them stop before the first goes on: otherwise, threads that keep starting threads could not be caught up with.
// While they are stopped, in the middle of anything, this thread takes no lock and no memory.
//
// A thread is reached by a signal that none of them blocks: SIGSETXID, which glibc keeps for the same purpose (setuid
// in all threads) and takes out of every signal mask that goes through it. Drivers block all other signals in their
// threads as a rule. glibc's own use of it is not disturbed as long as no other thread calls a function of the setuid
// family meanwhile. A waiting system call of a reached thread may return EINTR, as with any signal.
//
// Not thread-safe, and one at a time in a process.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"

namespace xpool::sandbox {

// Runs in a signal handler: raw system calls and its argument only. 0, or what went wrong, as the function likes.
using ThreadWork = int (*)(const void* argument);

// The threads of this process, by a descriptor of /proc/self/task that also works once Landlock forbids opening it.
class ThreadList {
 public:
  static absl::StatusOr<ThreadList> Open();
  int directory() const { return directory_.get(); }

  // Calls |visit| for each thread, this one included. Takes no lock and no memory. False when the kernel lists nothing.
  bool ForEach(absl::FunctionRef<void(pid_t)> visit) const;
  // Also of a first thread that is over while the process goes on. Takes no lock and no memory.
  bool HasEnded(pid_t thread) const;

 private:
  explicit ThreadList(UniqueFd directory) : directory_(std::move(directory)) {}
  UniqueFd directory_;
};

// Stops all threads but this one, runs |work| once in each, and lets them go on. Threads made afterwards are made by
// one in which it has run. Gives the threads. DEADLINE_EXCEEDED names a thread that did not stop by |deadline_ns|
// (MonotonicNowNs); |work| has run nowhere then. ABORTED names one whose |work| failed, with |describe| of its result;
// it has run in others.
absl::StatusOr<std::vector<pid_t>> RunInOtherThreads(const ThreadList& threads, ThreadWork work, const void* argument,
                                                     int64_t deadline_ns, std::string (*describe)(int result));

}  // namespace xpool::sandbox
