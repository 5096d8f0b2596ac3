#include "sandbox/landlock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "base/status.h"
#include "sandbox/landlock_abi.h"

namespace xpool::sandbox {
namespace {

uint64_t HandledFsRights(int abi) {
  uint64_t rights = kFsAllOfVersion1;
  if (abi >= 2) rights |= kFsRefer;
  if (abi >= 3) rights |= kFsTruncate;
  if (abi >= 5) rights |= kFsIoctlDev;
  return rights;
}

// An older kernel takes a shorter structure, and none with a field it does not know.
size_t AttrSize(int abi) {
  if (abi >= 6) return sizeof(LandlockRulesetAttr);
  return abi >= 4 ? offsetof(LandlockRulesetAttr, scoped) : offsetof(LandlockRulesetAttr, handled_access_net);
}

uint64_t RightsOf(Access access) {
  switch (access) {
    case Access::kRead:
      return kFsReadFile | kFsReadDir;
    case Access::kReadExecute:
      return kFsReadFile | kFsReadDir | kFsExecute;
    case Access::kReadWrite:
      return kFsReadFile | kFsReadDir | kFsWriteFile | kFsTruncate | kFsRemoveDir | kFsRemoveFile | kFsMakeDir |
             kFsMakeReg | kFsRefer;
    case Access::kDevice:
      return kFsReadFile | kFsReadDir | kFsWriteFile | kFsIoctlDev;
  }
  return 0;
}

constexpr uint64_t kRightsOnFiles = kFsExecute | kFsWriteFile | kFsReadFile | kFsTruncate | kFsIoctlDev;

// The file or directory a rule names. Its reader, the kernel, needs no permission on it.
absl::StatusOr<UniqueFd> OpenPath(const PathRule& rule) {
  const int no_follow = rule.access == Access::kReadWrite ? O_NOFOLLOW : 0;
  UniqueFd path(open(rule.path.c_str(), O_PATH | O_CLOEXEC | no_follow));
  if (!path.valid()) return ErrnoStatus(absl::StrCat("opening ", rule.path, ", which the worker is to keep in reach"));
  return path;
}

}  // namespace

int LandlockAbi() {
  const long version = syscall(kSysLandlockCreateRuleset, nullptr, size_t{0}, kCreateRulesetVersion);
  return version > 0 ? static_cast<int>(version) : 0;
}

absl::StatusOr<LandlockRuleset> LandlockRuleset::Create(int abi, bool allows_tcp) {
  LandlockRulesetAttr attr;
  attr.handled_access_fs = HandledFsRights(abi);
  if (!allows_tcp) attr.handled_access_net = kNetBindTcp | kNetConnectTcp;
  attr.scoped = kScopeAbstractUnixSocket | kScopeSignal;
  UniqueFd ruleset(static_cast<int>(syscall(kSysLandlockCreateRuleset, &attr, AttrSize(abi), 0)));
  if (!ruleset.valid()) return ErrnoStatus(absl::StrCat("landlock_create_ruleset (version ", abi, ")"));
  return LandlockRuleset(std::move(ruleset), abi, attr.handled_access_fs);
}

absl::Status LandlockRuleset::Allow(const PathRule& rule) {
  const absl::StatusOr<UniqueFd> path = OpenPath(rule);
  if (rule.optional && absl::IsNotFound(path.status())) return absl::OkStatus();
  RETURN_IF_ERROR(path.status());
  struct stat info;
  if (fstat(path->get(), &info) != 0) return ErrnoStatus(absl::StrCat("fstat of ", rule.path));
  if (S_ISLNK(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(rule.path, " is a symbolic link; name the directory itself"));
  }
  LandlockPathBeneathAttr attr;
  attr.allowed_access = RightsOf(rule.access) & handled_ & (S_ISDIR(info.st_mode) ? ~uint64_t{0} : kRightsOnFiles);
  attr.parent_fd = path->get();
  if (syscall(kSysLandlockAddRule, ruleset_.get(), kRulePathBeneath, &attr, 0) == 0) return absl::OkStatus();
  return ErrnoStatus(absl::StrCat("landlock_add_rule for ", rule.path));
}

uint32_t LandlockRuleset::restrict_flags() const {
  // What is refused would fill the audit log, at the tenant's pace.
  return abi_ >= 7 ? kRestrictSelfLogSameExecOff : 0;
}

std::vector<std::string> LandlockGaps(int abi) {
  std::vector<std::string> gaps;
  const auto since = [&gaps, abi](int version, const char* gap) {
    if (abi < version) gaps.push_back(absl::StrCat("Landlock ", abi, " of this kernel ", gap, " (from ", version, ")"));
  };
  since(3, "lets files that can only be read be emptied, where permissions do (O_TRUNC)");
  since(5, "does not restrict ioctl on devices that can be opened");
  since(6, "lets abstract Unix sockets of other processes be connected to");
  since(6, "leaves signals to the system-call filter alone");
  return gaps;
}

}  // namespace xpool::sandbox
