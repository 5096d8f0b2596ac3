// Where the bytes of a transfer lie in the program's memory: rows and slices with gaps between them. Only the rows
// travel, packed: gaps are not the program's to read or write on behalf of a call, and the worker needs no pitch to
// believe. Formulas are those of the OpenCL 3.0 API specification, sections 5.2 (buffer rectangles) and 5.3 (images).
// Pure; used by the client (with the program's pitches) and by the worker (with pitches of 0: packed).
#pragma once

#include <CL/cl.h>

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"

namespace xpool::wire_cl {

struct HostLayout {
  uint64_t offset = 0;  // of the first byte
  uint64_t row_bytes = 0;
  uint64_t rows = 1;
  uint64_t row_pitch = 0;
  uint64_t slices = 1;
  uint64_t slice_pitch = 0;

  // What travels.
  uint64_t bytes() const { return row_bytes * rows * slices; }
  // Whether the bytes lie in one piece.
  bool dense() const {
    return (rows == 1 || row_pitch == row_bytes) && (slices == 1 || slice_pitch == row_bytes * rows);
  }
};

// One piece.
HostLayout DenseLayout(uint64_t bytes);

// INVALID_ARGUMENT: a dimension of 0, a pitch below what it must hold, or an end past what memory can have.
// Of an image, pitches of 0 mean "packed".
absl::StatusOr<HostLayout> RectLayout(const size_t* origin, const size_t* region, size_t row_pitch, size_t slice_pitch);

// What a transfer needs to know of an image.
struct ImageShape {
  cl_mem_object_type type = CL_MEM_OBJECT_IMAGE2D;
  size_t element_bytes = 0;
  bool depth = false;  // a fill colour is one float
};
absl::StatusOr<HostLayout> ImageRegionLayout(const ImageShape& image, const size_t* region, size_t row_pitch,
                                             size_t slice_pitch);

// The initial data of an image that is created.
absl::StatusOr<HostLayout> ImageDataLayout(const cl_image_format& format, const cl_image_desc& desc);
absl::StatusOr<HostLayout> ImageRowsLayout(const cl_image_format& format, size_t width, size_t height,
                                           size_t row_pitch);
absl::StatusOr<HostLayout> ImageSlicesLayout(const cl_image_format& format, size_t width, size_t height, size_t depth,
                                             size_t row_pitch, size_t slice_pitch);

// Calls |piece|(data, bytes) for what lies together of |layout|'s bytes in the memory at |host|, in order. Byte is
// std::byte or const std::byte.
template <typename Byte, typename Piece>
void ForEachPiece(const HostLayout& layout, Byte* host, const Piece& piece) {
  if (layout.bytes() == 0) return;
  host += layout.offset;
  if (layout.dense()) return piece(host, layout.bytes());
  for (uint64_t slice = 0; slice < layout.slices; ++slice) {
    for (uint64_t row = 0; row < layout.rows; ++row)
      piece(host + slice * layout.slice_pitch + row * layout.row_pitch, layout.row_bytes);
  }
}

// Between the program's memory and packed bytes. REQUIRES: |packed| has layout.bytes() bytes.
void Pack(const HostLayout& layout, const void* host, std::byte* packed);
void Unpack(const HostLayout& layout, const std::byte* packed, void* host);

}  // namespace xpool::wire_cl
