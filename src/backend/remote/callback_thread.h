// The thread on which the program's callbacks run, so that one which takes its time holds up neither answers nor the
// heartbeat. Started with the first; one per process, made anew in a fork's child. Thread-safe.
#pragma once

#include "absl/functional/any_invocable.h"

namespace xpool::remote {

// Runs |callback| after those that came before.
void RunCallback(absl::AnyInvocable<void()> callback);

}  // namespace xpool::remote
