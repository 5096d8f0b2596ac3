// What the kernel says of a thread's confinement: /proc/PID/task/TID/status. See proc(5).
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace xpool::sandbox {

inline constexpr size_t kMaxStatusBytes = 16384;

struct ThreadStatus {
  std::array<uint32_t, 4> uids{};  // real, effective, saved, of file access
  std::array<uint32_t, 4> gids{};
  uint32_t groups = 0;  // how many supplementary ones
  uint64_t inheritable = 0, permitted = 0, effective = 0, bounding = 0, ambient = 0;
  bool no_new_privileges = false;
  int seccomp = 0;  // 2: filtered
  uint32_t process_threads = 0;
};

// DATA_LOSS when a line that is needed is not there or not understood.
absl::StatusOr<ThreadStatus> ParseThreadStatus(std::string_view text);

// Reads an open status file from its beginning; NOT_FOUND when the thread is gone.
absl::StatusOr<ThreadStatus> ReadThreadStatus(int fd);

// What a confined thread must look like.
struct ExpectedStatus {
  bool own_identity = false;     // uid, gid and the lack of groups are looked at only then
  bool no_bounding_set = false;  // only who was privileged can have emptied it
  uid_t uid = 0;
  gid_t gid = 0;
};

// INTERNAL names what is not as expected.
absl::Status CheckConfined(const ThreadStatus& status, const ExpectedStatus& expected);

}  // namespace xpool::sandbox
