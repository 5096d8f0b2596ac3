// What is set once for a whole process: resource limits, control groups, open descriptors. Parts of entering (enter.h).
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "sandbox/spec.h"

namespace xpool::sandbox {

// INVALID_ARGUMENT when the process already uses more memory than it is to be limited to.
absl::Status CheckRoom(const Limits& limits);

// Lowers, never raises. |own_user|: whether the limit of processes can be set, which counts all of a user's.
absl::Status LowerLimits(const Limits& limits, bool own_user);

// Moves this process, with all its threads, into the group of each directory.
absl::Status JoinCgroups(const std::vector<std::string>& directories);

// Closes every descriptor but those of |keep| and, with |keep_devices|, those of character devices that are no
// terminal.
absl::Status CloseDescriptors(const std::vector<int>& keep, bool keep_devices);

}  // namespace xpool::sandbox
