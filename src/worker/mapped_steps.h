// A range of a buffer, read or written through mappings of one step after another: while one is used, the next is
// mapped already. So a copy needs no memory of its own, and a driver that shares its memory with the host copies
// nothing. Waits for the driver; for one thread.
#pragma once

#include <CL/cl.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "worker/held_buffer.h"

namespace xpool::worker {

class MappedSteps {
 public:
  static constexpr uint64_t kStepBytes = 4 * kMiB;

  // |flags|: CL_MAP_READ, or CL_MAP_WRITE_INVALIDATE_REGION. |buffer| must outlive this.
  MappedSteps(const HeldBuffer& buffer, cl_map_flags flags, uint64_t offset, uint64_t bytes)
      : buffer_(buffer), flags_(flags), offset_(offset), left_bytes_(bytes) {}
  // Unmaps what is still mapped.
  ~MappedSteps();

  // The next step's bytes, good until the next call, which hands them to the driver. Empty when there are no more: then
  // all that was written is in the buffer. INTERNAL when the driver fails, and ever after.
  absl::StatusOr<std::span<std::byte>> Next();

 private:
  static constexpr size_t kMostMapped = 2;
  struct Step {
    std::byte* data;
    uint64_t bytes;
    cl_event mapped;
  };

  absl::StatusOr<std::span<std::byte>> MapNext();
  absl::Status MapAhead();
  absl::Status UnmapUsed();
  absl::Status Await(cl_event event) const;
  absl::Status AwaitUnmapped();

  const HeldBuffer& buffer_;
  const cl_map_flags flags_;
  uint64_t offset_, left_bytes_;  // of what is not mapped yet
  std::deque<Step> steps_;        // the one that is used is the first
  bool using_ = false;
  cl_event unmapped_ = nullptr;  // of the last unmapping
  absl::Status failed_;
};

}  // namespace xpool::worker
