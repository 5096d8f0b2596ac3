// How long commands are assumed to take, and under which keys their durations are learned. Pure.
#pragma once

#include <CL/cl.h>

#include <bit>
#include <cstdint>

#include "absl/hash/hash.h"
#include "shim/opencl/command.h"

namespace xpool::cl {

inline constexpr int64_t kUnknownKernelNs = 1'000'000;  // until the kernel has been measured once
inline constexpr int64_t kTransferStartNs = 2'000;
inline constexpr int64_t kSyncNs = 500;

// Sizes that are alike share what is learned: four buckets to each power of two.
inline uint64_t SizeBucket(uint64_t size) {
  if (size < 8) return size;
  const int log2 = std::bit_width(size) - 1;
  return static_cast<uint64_t>(log2) * 4 + ((size >> (log2 - 2)) & 3);
}

inline Work TransferWork(cl_command_type type, uint64_t bytes) {
  return {.key = absl::HashOf(type, SizeBucket(bytes)) | 1,
          .assumed_ns = kTransferStartNs + static_cast<int64_t>(bytes / 4),
          .measure = false};
}

// Of |region|, which may be NULL, in elements of |element_bytes|.
inline Work RegionWork(cl_command_type type, const size_t* region, size_t element_bytes = 1) {
  return TransferWork(type, region == nullptr ? 0 : uint64_t{region[0]} * region[1] * region[2] * element_bytes);
}

// |code| names what runs: a kernel, a native function.
inline Work LaunchWork(uint64_t code, uint64_t work_items) {
  return {.key = absl::HashOf(code, SizeBucket(work_items)) | 1, .assumed_ns = kUnknownKernelNs, .measure = true};
}

// Markers and the like.
inline Work SyncWork() { return {.key = 0, .assumed_ns = kSyncNs, .measure = false}; }

}  // namespace xpool::cl
