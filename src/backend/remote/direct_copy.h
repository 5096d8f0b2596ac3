// Bytes of a buffer from one node to another without this process in between: the two workers are asked to see to it
// (wire_opencl/notices.h: Invite, Push). Whoever moves bytes tries this first, and relays them where it is refused.
// Thread-safe; waits until the bytes have arrived.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "backend/remote/objects.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace xpool::remote {

// Less is relayed: it has arrived before the workers have found each other.
inline constexpr uint64_t kLeastDirectBytes = uint64_t{1} << 20;

// True when the range is at |to|'s node, as it is at |from|'s. |from| and |to| are movers (coherence.h) of |whole|'s
// context. False: it was refused, or has failed, and what is there is not known.
bool CopyDirectly(Queue* from, Queue* to, const Mem& whole, uint64_t offset, uint64_t bytes);

// Which pairs of links have refused lately, so that refusals cost little. Thread-safe.
class RefusedRoutes {
 public:
  static constexpr int64_t kPauseNs = 60 * kNsPerSec;

  // |clock| must outlive this.
  explicit RefusedRoutes(const Clock* clock) : clock_(clock) {}

  bool MayTry(const ClLink* from, const ClLink* to);
  void Refused(const ClLink* from, const ClLink* to);

 private:
  const Clock* const clock_;
  Mutex mutex_;
  std::map<std::pair<const ClLink*, const ClLink*>, int64_t> until_ns_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace xpool::remote
