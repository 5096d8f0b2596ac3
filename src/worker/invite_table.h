// Direct copies that a worker expects: each a range of a buffer that the holder of a token may write once, within half
// a minute. Handles, not objects: what the client releases meanwhile is not kept alive. Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "wire/peer.h"
#include "wire_opencl/notices.h"

namespace xpool::worker {

class InviteTable {
 public:
  static constexpr size_t kMost = 16;
  static constexpr int64_t kLifeNs = 30 * kNsPerSec;

  // |clock| must outlive this.
  explicit InviteTable(const Clock* clock) : clock_(clock) {}

  // RESOURCE_EXHAUSTED when so many are open already.
  absl::Status Open(const wire::PeerToken& token, const wire_cl::Invite& invite);

  // Takes out the one that |opening| is for. |certificate|: of who shows it. PERMISSION_DENIED when there is none, any
  // more or for this certificate; INVALID_ARGUMENT for another number of bytes, and then too the invite is used up.
  absl::StatusOr<wire_cl::Invite> Take(const wire::PeerOpening& opening, const std::string& certificate);

  // Forgets the one with this token; false when there is none.
  bool Remove(const wire::PeerToken& token);

  // Of all who are expected, one after another; "" when nobody is, or none of them has one.
  std::string Certificates();
  bool empty();

 private:
  struct Entry {
    wire::PeerToken token;
    wire_cl::Invite invite;
    int64_t until_ns;
  };

  void DropLate() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  size_t Find(const wire::PeerToken& token) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock* const clock_;
  Mutex mutex_;
  std::vector<Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace xpool::worker
