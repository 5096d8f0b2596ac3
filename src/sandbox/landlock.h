// A set of files and directories that stay in reach, for the kernel's Landlock. What the running kernel's version of it
// cannot restrict is said by LandlockGaps(). A ruleset restricts nobody until a thread enters it (confine_thread.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"
#include "sandbox/spec.h"

namespace xpool::sandbox {

// The kernel's version, 0 when it has no Landlock or has it switched off.
int LandlockAbi();

class LandlockRuleset {
 public:
  // REQUIRES: 1 <= |abi| <= LandlockAbi(). Unless |allows_tcp|, no TCP socket can be bound or connected either.
  static absl::StatusOr<LandlockRuleset> Create(int abi, bool allows_tcp);

  // NOT_FOUND when the path is not there and not optional. A directory to be written must be named without a symbolic
  // link at its end, which its owner could have put there.
  absl::Status Allow(const PathRule& rule);

  int fd() const { return ruleset_.get(); }
  uint32_t restrict_flags() const;  // for landlock_restrict_self

 private:
  LandlockRuleset(UniqueFd ruleset, int abi, uint64_t handled)
      : ruleset_(std::move(ruleset)), abi_(abi), handled_(handled) {}

  UniqueFd ruleset_;
  int abi_;
  uint64_t handled_;
};

// A sentence for each thing that version |abi| leaves open and a later one would not.
std::vector<std::string> LandlockGaps(int abi);

}  // namespace xpool::sandbox
