// What the listeners of src/transport have in common. Thread-safe.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"

namespace xpool::transport {

absl::Status SetNonBlocking(int fd);

// Takes the next connection of the non-blocking |listener| (close-on-exec, non-blocking); an invalid descriptor when
// none waits or the listener was shut down. RESOURCE_EXHAUSTED when descriptors or memory have run out: the connection
// still waits, so try again after something was closed. |where| is for messages.
absl::StatusOr<UniqueFd> AcceptWaiting(int listener, const std::string& where);

absl::Status NobodyConnectedError(const std::string& where);

}  // namespace xpool::transport
