// Measuring and clearing directories that somebody hostile can write to, meanwhile too. Symbolic links are never
// followed and files never opened; every step goes by name from an open directory, so nothing outside is ever touched,
// whatever is renamed. Work, memory and open descriptors are bounded: trees deeper than anything a compiler makes are
// folded up before they are removed.
//
// Thread-safe as far as the descriptors are.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"

namespace xpool::sandbox {

// Opens |name| in |directory| for listing. FAILED_PRECONDITION when it is something else or a link.
absl::StatusOr<UniqueFd> OpenDirectory(int directory, const std::string& name);

// Removes all that |directory| holds. UNAVAILABLE when somebody keeps adding.
absl::Status RemoveContents(int directory);

// Removes |name| in |directory|, whatever it is; no error when it is not there.
absl::Status RemoveEntry(int directory, const std::string& name);

// Something that is kept or removed as a whole.
struct TreeUnit {
  std::vector<std::string> path;  // names below the directory it was found in
  uint64_t bytes = 0;             // on the disk, with all below it
  int64_t newest_ns = 0;          // the latest modification in it, since 1970
  bool rubbish = false;           // past the bounds below, and measured in part
};

inline constexpr int kMaxTreeDepth = 32;
inline constexpr uint64_t kMaxUnitEntries = 100'000;
inline constexpr size_t kMaxUnits = 100'000;

// The units of |directory|: all entries at |depth| levels below it (1: its own), and those above that are no
// directories. RESOURCE_EXHAUSTED past kMaxUnits.
absl::StatusOr<std::vector<TreeUnit>> ListUnits(int directory, int depth);

}  // namespace xpool::sandbox
