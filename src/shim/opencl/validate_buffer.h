// Whether a command on buffers is valid, with OpenCL's error codes. For commands that are recorded: what goes straight
// to the driver is checked there. Pure but for FactsOf().
#pragma once

#include <CL/cl.h>

#include <cstddef>

#include "shim/opencl/validate_limits.h"

namespace xpool::cl {

struct Mem;

enum class HostAccess { kRead, kWrite };

// What the checks need to know of a buffer.
struct BufferFacts {
  size_t size = 0;
  cl_mem_flags flags = 0;
  bool misaligned = false;     // a sub-buffer whose origin the device cannot use
  const void* root = nullptr;  // identity of the memory: of a sub-buffer, its parent
  size_t root_offset = 0;      // where it starts there
};

BufferFacts FactsOf(const Mem& buffer, const DeviceLimits& device);

// Offsets and sizes of a rectangle in a buffer or in host memory. Pitches of zero mean densely packed.
struct Rect {
  const size_t* origin = nullptr;
  size_t row_pitch = 0;
  size_t slice_pitch = 0;
};

// [offset, offset + size) lies inside |total| and is not empty.
bool InBounds(size_t offset, size_t size, size_t total);

cl_int CheckHostAccess(cl_mem_flags flags, HostAccess access);
cl_int CheckTransfer(const BufferFacts& buffer, HostAccess access, size_t offset, size_t size, const void* ptr);
cl_int CheckFill(const BufferFacts& buffer, const void* pattern, size_t pattern_size, size_t offset, size_t size);
cl_int CheckCopy(const BufferFacts& src, const BufferFacts& dst, size_t src_offset, size_t dst_offset, size_t size);

// Sets zero pitches to what they mean; CL_INVALID_VALUE for pitches that do not fit |region|.
cl_int ResolvePitches(const size_t* region, Rect* rect);
cl_int CheckRectTransfer(const BufferFacts& buffer, HostAccess access, Rect in_buffer, Rect in_host,
                         const size_t* region, const void* ptr);
cl_int CheckRectCopy(const BufferFacts& src, const BufferFacts& dst, Rect in_src, Rect in_dst, const size_t* region);

// The flags of clEnqueueMapBuffer and clEnqueueMapImage.
cl_int CheckMapFlags(cl_map_flags map_flags, cl_mem_flags mem_flags);

cl_int CheckMigration(cl_uint count, const void* list, cl_mem_migration_flags flags);

}  // namespace xpool::cl
