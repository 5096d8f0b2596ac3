// What the agent keeps about slices and sessions across its own restarts.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "arbiter/arbiter.h"
#include "base/share.h"

namespace xpool::agent {

using SliceNumber = uint64_t;
using SessionId = uint64_t;

// "s7": what a slice is called where its name may have changed hands. A name never looks like that.
inline std::string SliceId(SliceNumber number) { return absl::StrCat("s", number); }

struct SliceRecord {
  SliceNumber number = 0;
  std::string name;
  std::string xpu_id;
  Share guarantee;  // zero: best effort
  Share limit = Share::Full();
  uint64_t memory_bytes = 0;
  arbiter::Priority priority = arbiter::Priority::kNormal;
  uid_t owner_uid = 0;
  pid_t owner_pid = 0;  // > 0: the slice ends with this process
  uint64_t owner_start_ticks = 0;
  int64_t created_unix_s = 0;

  std::string id() const { return SliceId(number); }

  arbiter::Terms terms() const { return {guarantee, limit, priority}; }
};

// Whether a user of this machine may use |slice|: hers, or anybody's for root and the agent's user.
inline bool OwnsSlice(uid_t uid, const SliceRecord& slice) {
  return uid == 0 || uid == geteuid() || uid == slice.owner_uid;
}

struct SessionRecord {
  SessionId id = 0;
  SliceNumber slice = 0;
  pid_t pid = 0;
  uint64_t start_ticks = 0;  // with the pid, the identity of the process
  uid_t uid = 0;
  uint32_t api = 0;
  std::string program;
  int64_t attached_unix_s = 0;
};

// A session of another node's program, or of one that is isolated: served by a worker, which in turn is a session
// above.
struct RemoteRecord {
  uint64_t id = 0;  // random
  SliceNumber slice = 0;
  pid_t worker_pid = 0;
  uint64_t start_ticks = 0;  // with the pid, the identity of the worker
  std::string client;        // who and from where, for people
  std::string program;
  int64_t began_unix_s = 0;
};

// A slice that somebody elsewhere has borrowed: it ends when the loan is not renewed in time.
struct LoanRecord {
  SliceNumber slice = 0;
  std::string secret_hash;  // hexadecimal SHA-256 of what the borrower shows
  std::string borrower;     // who and from where, for people
};

}  // namespace xpool::agent
