#include "wire/limits.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "wire/frame.h"

namespace xpool::wire {
namespace {

absl::Status InRange(const char* name, uint64_t value, uint64_t min, uint64_t max) {
  if (value >= min && value <= max) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("limit ", name, " is ", value, "; it must be ", min, " to ", max));
}

}  // namespace

Limits Minimum(const Limits& a, const Limits& b) {
  return {.max_frame_bytes = std::min(a.max_frame_bytes, b.max_frame_bytes),
          .max_inline_bytes = std::min(a.max_inline_bytes, b.max_inline_bytes),
          .max_chunk_bytes = std::min(a.max_chunk_bytes, b.max_chunk_bytes),
          .max_handles = std::min(a.max_handles, b.max_handles),
          .credit_bytes = std::min(a.credit_bytes, b.credit_bytes),
          .resend_bytes = std::min(a.resend_bytes, b.resend_bytes)};
}

absl::Status CheckLimits(const Limits& limits) {
  constexpr uint64_t kMaxFrameBytes = 64 * kMiB;
  constexpr uint64_t kMaxWindowBytes = 4 * kGiB;
  // A frame must hold every call with its small arguments, a window at least one frame.
  RETURN_IF_ERROR(InRange("max_frame_bytes", limits.max_frame_bytes, 16 * kKiB, kMaxFrameBytes));
  RETURN_IF_ERROR(InRange("max_inline_bytes", limits.max_inline_bytes, 0, limits.max_frame_bytes / 2));
  RETURN_IF_ERROR(InRange("max_chunk_bytes", limits.max_chunk_bytes, 4 * kKiB, kMaxFrameBytes));
  RETURN_IF_ERROR(InRange("max_handles", limits.max_handles, 64, uint64_t{1} << 24));
  const uint64_t largest_frame = kFrameHeaderBytes + std::max(limits.max_frame_bytes, limits.max_chunk_bytes);
  RETURN_IF_ERROR(InRange("credit_bytes", limits.credit_bytes, largest_frame, kMaxWindowBytes));
  return InRange("resend_bytes", limits.resend_bytes, largest_frame, kMaxWindowBytes);
}

}  // namespace xpool::wire
