#include "shim/opencl/validate_buffer.h"

#include <algorithm>

#include "shim/opencl/memory.h"

namespace xpool::cl {
namespace {

bool IsPowerOfTwo(size_t n) { return n != 0 && (n & (n - 1)) == 0; }

bool Overlap(size_t a, size_t b, size_t size) { return a < b ? b - a < size : a - b < size; }

// The first byte of |rect|, and one past its last; false when that is beyond what a size_t holds.
bool Extent(const Rect& rect, const size_t* region, size_t* begin, size_t* end) {
  size_t first = 0, slices = 0, rows = 0, part = 0;
  const bool wraps =
      __builtin_mul_overflow(rect.origin[2], rect.slice_pitch, &first) ||
      __builtin_mul_overflow(rect.origin[1], rect.row_pitch, &part) || __builtin_add_overflow(first, part, &first) ||
      __builtin_add_overflow(first, rect.origin[0], &first) ||
      __builtin_mul_overflow(region[2] - 1, rect.slice_pitch, &slices) ||
      __builtin_mul_overflow(region[1] - 1, rect.row_pitch, &rows) || __builtin_add_overflow(slices, rows, &part) ||
      __builtin_add_overflow(part, region[0], &part) || __builtin_add_overflow(first, part, &part);
  *begin = first;
  *end = part;
  return !wraps;
}

// Whether two rectangles of one buffer and of the same pitches share a byte, as the OpenCL
// specification's appendix "Checking for Memory Copy Overlap" does.
bool RectsOverlap(const Rect& shape, const size_t* region, size_t src_start, size_t dst_start) {
  const size_t slice_size = (region[1] - 1) * shape.row_pitch + region[0];
  const size_t block_size = (region[2] - 1) * shape.slice_pitch + slice_size;
  const size_t low = std::min(src_start, dst_start);
  const size_t high = std::max(src_start, dst_start);
  if (low + block_size <= high) return false;
  const size_t delta = high - low;
  const size_t in_slice = delta % shape.slice_pitch;
  const size_t in_row = in_slice % shape.row_pitch;
  // In the gaps between rows or slices, at the same phase in all of them, two rectangles can interleave.
  if (in_row >= region[0] && in_row <= shape.row_pitch - region[0]) return false;
  return !(in_slice >= slice_size && in_slice <= shape.slice_pitch - slice_size);
}

cl_int CheckRect(const BufferFacts& buffer, const Rect& rect, const size_t* region, size_t* begin) {
  size_t end = 0;
  return Extent(rect, region, begin, &end) && end <= buffer.size ? CL_SUCCESS : CL_INVALID_VALUE;
}

}  // namespace

BufferFacts FactsOf(const Mem& buffer, const DeviceLimits& device) {
  const bool is_sub = buffer.parent && buffer.type == CL_MEM_OBJECT_BUFFER;
  return {
      .size = buffer.size,
      .flags = buffer.flags,
      .misaligned = is_sub && buffer.origin % device.base_align_bytes != 0,
      .root = is_sub ? buffer.parent.get() : &buffer,
      .root_offset = is_sub ? buffer.origin : 0,
  };
}

bool InBounds(size_t offset, size_t size, size_t total) {
  return size != 0 && offset <= total && size <= total - offset;
}

cl_int CheckHostAccess(cl_mem_flags flags, HostAccess access) {
  const cl_mem_flags refusing =
      CL_MEM_HOST_NO_ACCESS | (access == HostAccess::kRead ? CL_MEM_HOST_WRITE_ONLY : CL_MEM_HOST_READ_ONLY);
  return (flags & refusing) != 0 ? CL_INVALID_OPERATION : CL_SUCCESS;
}

cl_int CheckTransfer(const BufferFacts& buffer, HostAccess access, size_t offset, size_t size, const void* ptr) {
  if (ptr == nullptr || !InBounds(offset, size, buffer.size)) return CL_INVALID_VALUE;
  if (buffer.misaligned) return CL_MISALIGNED_SUB_BUFFER_OFFSET;
  return CheckHostAccess(buffer.flags, access);
}

cl_int CheckFill(const BufferFacts& buffer, const void* pattern, size_t pattern_size, size_t offset, size_t size) {
  if (pattern == nullptr || !IsPowerOfTwo(pattern_size) || pattern_size > 128) return CL_INVALID_VALUE;
  if (!InBounds(offset, size, buffer.size)) return CL_INVALID_VALUE;
  if (offset % pattern_size != 0 || size % pattern_size != 0) return CL_INVALID_VALUE;
  return buffer.misaligned ? CL_MISALIGNED_SUB_BUFFER_OFFSET : CL_SUCCESS;
}

cl_int CheckCopy(const BufferFacts& src, const BufferFacts& dst, size_t src_offset, size_t dst_offset, size_t size) {
  if (!InBounds(src_offset, size, src.size) || !InBounds(dst_offset, size, dst.size)) return CL_INVALID_VALUE;
  if (src.misaligned || dst.misaligned) return CL_MISALIGNED_SUB_BUFFER_OFFSET;
  const bool overlap =
      src.root == dst.root && Overlap(src.root_offset + src_offset, dst.root_offset + dst_offset, size);
  return overlap ? CL_MEM_COPY_OVERLAP : CL_SUCCESS;
}

cl_int ResolvePitches(const size_t* region, Rect* rect) {
  if (rect->origin == nullptr || region == nullptr) return CL_INVALID_VALUE;
  if (region[0] == 0 || region[1] == 0 || region[2] == 0) return CL_INVALID_VALUE;
  if (rect->row_pitch == 0) rect->row_pitch = region[0];
  if (rect->row_pitch < region[0]) return CL_INVALID_VALUE;
  size_t dense = 0;
  if (__builtin_mul_overflow(region[1], rect->row_pitch, &dense)) return CL_INVALID_VALUE;
  if (rect->slice_pitch == 0) rect->slice_pitch = dense;
  return rect->slice_pitch < dense || rect->slice_pitch % rect->row_pitch != 0 ? CL_INVALID_VALUE : CL_SUCCESS;
}

cl_int CheckRectTransfer(const BufferFacts& buffer, HostAccess access, Rect in_buffer, Rect in_host,
                         const size_t* region, const void* ptr) {
  if (ptr == nullptr) return CL_INVALID_VALUE;
  cl_int status = ResolvePitches(region, &in_buffer);
  if (status == CL_SUCCESS) status = ResolvePitches(region, &in_host);
  size_t begin = 0;
  if (status == CL_SUCCESS) status = CheckRect(buffer, in_buffer, region, &begin);
  if (status != CL_SUCCESS) return status;
  if (buffer.misaligned) return CL_MISALIGNED_SUB_BUFFER_OFFSET;
  return CheckHostAccess(buffer.flags, access);
}

cl_int CheckRectCopy(const BufferFacts& src, const BufferFacts& dst, Rect in_src, Rect in_dst, const size_t* region) {
  cl_int status = ResolvePitches(region, &in_src);
  if (status == CL_SUCCESS) status = ResolvePitches(region, &in_dst);
  size_t src_begin = 0, dst_begin = 0;
  if (status == CL_SUCCESS) status = CheckRect(src, in_src, region, &src_begin);
  if (status == CL_SUCCESS) status = CheckRect(dst, in_dst, region, &dst_begin);
  if (status != CL_SUCCESS) return status;
  if (src.misaligned || dst.misaligned) return CL_MISALIGNED_SUB_BUFFER_OFFSET;
  if (src.root != dst.root) return CL_SUCCESS;
  const bool same_pitches = in_src.row_pitch == in_dst.row_pitch && in_src.slice_pitch == in_dst.slice_pitch;
  if (src.root_offset == dst.root_offset && !same_pitches) return CL_INVALID_VALUE;
  if (!same_pitches) return CL_SUCCESS;
  const bool overlap = RectsOverlap(in_src, region, src.root_offset + src_begin, dst.root_offset + dst_begin);
  return overlap ? CL_MEM_COPY_OVERLAP : CL_SUCCESS;
}

cl_int CheckMapFlags(cl_map_flags map_flags, cl_mem_flags mem_flags) {
  constexpr cl_map_flags kKnown = CL_MAP_READ | CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION;
  const bool invalidates = (map_flags & CL_MAP_WRITE_INVALIDATE_REGION) != 0;
  const bool reads = (map_flags & CL_MAP_READ) != 0;
  const bool writes = (map_flags & (CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION)) != 0;
  if ((map_flags & ~kKnown) != 0) return CL_INVALID_VALUE;
  if (invalidates && (map_flags & (CL_MAP_READ | CL_MAP_WRITE)) != 0) return CL_INVALID_VALUE;
  if (reads && CheckHostAccess(mem_flags, HostAccess::kRead) != CL_SUCCESS) return CL_INVALID_OPERATION;
  if (writes && CheckHostAccess(mem_flags, HostAccess::kWrite) != CL_SUCCESS) return CL_INVALID_OPERATION;
  return CL_SUCCESS;
}

cl_int CheckMigration(cl_uint count, const void* list, cl_mem_migration_flags flags) {
  constexpr cl_mem_migration_flags kKnown = CL_MIGRATE_MEM_OBJECT_HOST | CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED;
  return count == 0 || list == nullptr || (flags & ~kKnown) != 0 ? CL_INVALID_VALUE : CL_SUCCESS;
}

}  // namespace xpool::cl
