// The bounds that both ends of a remote session keep. Each side says its own in Hello and Welcome; the smaller one of
// each holds. Before that, kMaxHelloBytes is all that a frame may carry.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "base/bytes.h"

namespace xpool::wire {

inline constexpr uint32_t kMaxHelloBytes = 32 * kKiB;  // payload of control frames

struct Limits {
  uint32_t max_frame_bytes = 1 * kMiB;    // payload of a frame on the call lane
  uint32_t max_inline_bytes = 16 * kKiB;  // byte range inside a call or an answer; a longer one goes in bulk
  uint32_t max_chunk_bytes = 256 * kKiB;  // payload of a frame on the bulk lane
  uint32_t max_handles = 1u << 20;        // live objects of one type
  uint64_t credit_bytes = 8 * kMiB;       // sent and not yet consumed, per lane and direction, frame headers included
  uint64_t resend_bytes = 8 * kMiB;  // sent and not yet acknowledged, per lane and direction, frame headers included

  friend bool operator==(const Limits&, const Limits&) = default;
};

// The smaller one of each.
Limits Minimum(const Limits& a, const Limits& b);

// OK if the protocol can work within |limits|: none is too small to hold what must fit in it, none larger than what
// this side can count. INVALID_ARGUMENT names the first that is not. Asked of what a peer says and of what is agreed.
absl::Status CheckLimits(const Limits& limits);

}  // namespace xpool::wire
