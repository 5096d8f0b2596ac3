// Stands in for a program run as our child: passes signals on, stops and continues with it, and ends as it ended.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include "absl/status/statusor.h"

namespace xpool::cli {

// Blocks the signals that Supervise() takes care of, in this thread and those started later; returns the mask before.
// Call before anything starts a thread.
sigset_t BlockSupervisedSignals();

// True when a blocked signal that would end this process is pending.
bool TerminationPending();

// Waits for |child| and returns its wait status. Signals sent to us go on to it; those that the terminal sends reach it
// by themselves, since it shares our process group. When it is stopped from the terminal, so are we.
// REQUIRES: BlockSupervisedSignals() was called, |child| is a child of this process.
absl::StatusOr<int> Supervise(pid_t child);

// Exit status for |wait_status|, as a shell would report it: the program's own, or 128 + signal.
int ExitCode(int wait_status);

// Dies of the same signal as the program did (without a second core file), so that our parent sees what happened.
// Returns when the program exited by itself or the signal does not kill us.
void DieLike(int wait_status);

}  // namespace xpool::cli
