// Threads for work that comes from outside, of which there may be more than the system has threads for.
#pragma once

#include "absl/functional/any_invocable.h"

namespace xpool {

// Runs |work| on a thread of its own with |name|, at most 15 characters, which nobody waits for. False when the system
// gives no thread: |work| was not called then, and is destroyed here.
bool StartDetached(const char* name, absl::AnyInvocable<void()> work);

}  // namespace xpool
