// Landlock's system calls and constants as of its version 7 (Linux 6.15). Debian 12's headers have those of version 2,
// and glibc has no wrappers. Source: include/uapi/linux/landlock.h of the kernel.
#pragma once

#include <cstdint>

namespace xpool::sandbox {

// The same numbers on every architecture.
inline constexpr long kSysLandlockCreateRuleset = 444;
inline constexpr long kSysLandlockAddRule = 445;
inline constexpr long kSysLandlockRestrictSelf = 446;

inline constexpr uint32_t kCreateRulesetVersion = 1u << 0;
inline constexpr uint32_t kRestrictSelfLogSameExecOff = 1u << 0;  // from version 7

struct LandlockRulesetAttr {
  uint64_t handled_access_fs = 0;
  uint64_t handled_access_net = 0;  // from version 4
  uint64_t scoped = 0;              // from version 6
};

inline constexpr int kRulePathBeneath = 1;
struct LandlockPathBeneathAttr {
  uint64_t allowed_access = 0;
  int32_t parent_fd = -1;
} __attribute__((packed));

inline constexpr uint64_t kFsExecute = 1u << 0;
inline constexpr uint64_t kFsWriteFile = 1u << 1;
inline constexpr uint64_t kFsReadFile = 1u << 2;
inline constexpr uint64_t kFsReadDir = 1u << 3;
inline constexpr uint64_t kFsRemoveDir = 1u << 4;
inline constexpr uint64_t kFsRemoveFile = 1u << 5;
inline constexpr uint64_t kFsMakeDir = 1u << 7;
inline constexpr uint64_t kFsMakeReg = 1u << 8;
inline constexpr uint64_t kFsAllOfVersion1 = (1u << 13) - 1;
inline constexpr uint64_t kFsRefer = 1u << 13;     // from version 2
inline constexpr uint64_t kFsTruncate = 1u << 14;  // from version 3
inline constexpr uint64_t kFsIoctlDev = 1u << 15;  // from version 5

inline constexpr uint64_t kNetBindTcp = 1u << 0;
inline constexpr uint64_t kNetConnectTcp = 1u << 1;

inline constexpr uint64_t kScopeAbstractUnixSocket = 1u << 0;
inline constexpr uint64_t kScopeSignal = 1u << 1;

}  // namespace xpool::sandbox
