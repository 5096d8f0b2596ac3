#include "wire_opencl/host_layout.h"

#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "opencl/image.h"
#include "opencl/pixel.h"

namespace xpool::wire_cl {
namespace {

constexpr uint64_t kMaxEnd = uint64_t{1} << 47;  // no program has more memory

// Arithmetic that remembers if a result left the range of uint64_t.
class Checked {
 public:
  uint64_t Multiply(uint64_t a, uint64_t b) {
    uint64_t product = 0;
    overflow_ |= __builtin_mul_overflow(a, b, &product);
    return product;
  }
  uint64_t Add(uint64_t a, uint64_t b) {
    uint64_t sum = 0;
    overflow_ |= __builtin_add_overflow(a, b, &sum);
    return sum;
  }
  bool overflow() const { return overflow_; }

 private:
  bool overflow_ = false;
};

struct Dimensions {
  uint64_t row_bytes, rows, slices;
  uint64_t row_pitch, slice_pitch;  // 0: packed
};

absl::StatusOr<HostLayout> MakeLayout(const Dimensions& of, const size_t* origin = nullptr) {
  if (of.row_bytes == 0 || of.rows == 0 || of.slices == 0) {
    return absl::InvalidArgumentError(absl::StrCat("a region of ", of.row_bytes, " bytes x ", of.rows, " rows x ",
                                                   of.slices, " slices has nothing in it"));
  }
  Checked math;
  HostLayout layout{.row_bytes = of.row_bytes, .rows = of.rows, .slices = of.slices};
  layout.row_pitch = of.row_pitch == 0 ? of.row_bytes : of.row_pitch;
  const uint64_t slice_bytes = math.Multiply(layout.row_pitch, of.rows);
  layout.slice_pitch = of.slice_pitch == 0 ? slice_bytes : of.slice_pitch;
  if (layout.row_pitch < of.row_bytes || (of.slices > 1 && layout.slice_pitch < slice_bytes)) {
    return absl::InvalidArgumentError(absl::StrCat("pitches of ", of.row_pitch, " and ", of.slice_pitch,
                                                   " bytes are too small for rows of ", of.row_bytes, " bytes, ",
                                                   of.rows, " a slice"));
  }
  if (origin != nullptr) {
    layout.offset = math.Add(
        math.Add(math.Multiply(origin[2], layout.slice_pitch), math.Multiply(origin[1], layout.row_pitch)), origin[0]);
  }
  const uint64_t end = math.Add(
      layout.offset, math.Add(math.Multiply(of.slices, layout.slice_pitch), math.Multiply(of.rows, layout.row_pitch)));
  if (math.overflow() || end > kMaxEnd) {
    return absl::InvalidArgumentError(absl::StrCat("a region of ", of.row_bytes, " bytes x ", of.rows, " rows x ",
                                                   of.slices, " slices with pitches of ", of.row_pitch, " and ",
                                                   of.slice_pitch, " bytes is larger than memory can be"));
  }
  return layout;
}

// Bytes of |width| pixels, or 0 (which MakeLayout refuses) where there is no such number.
uint64_t RowBytes(size_t width, size_t pixel_bytes) {
  uint64_t bytes = 0;
  return __builtin_mul_overflow(uint64_t{width}, uint64_t{pixel_bytes}, &bytes) ? 0 : bytes;
}

}  // namespace

HostLayout DenseLayout(uint64_t bytes) { return {.row_bytes = bytes, .row_pitch = bytes, .slice_pitch = bytes}; }

absl::StatusOr<HostLayout> RectLayout(const size_t* origin, const size_t* region, size_t row_pitch,
                                      size_t slice_pitch) {
  return MakeLayout({region[0], region[1], region[2], row_pitch, slice_pitch}, origin);
}

absl::StatusOr<HostLayout> ImageRegionLayout(const ImageShape& image, const size_t* region, size_t row_pitch,
                                             size_t slice_pitch) {
  // The layers of a 1D array are a slice pitch apart, and are counted in region[1].
  const bool layers = image.type == CL_MEM_OBJECT_IMAGE1D_ARRAY;
  if (layers && slice_pitch != 0) {
    if (slice_pitch < row_pitch) {
      return absl::InvalidArgumentError(absl::StrCat("slice pitch ", slice_pitch, " is below row pitch ", row_pitch));
    }
    row_pitch = slice_pitch;
  }
  return MakeLayout(
      {RowBytes(region[0], image.element_bytes), region[1], region[2], row_pitch, layers ? 0 : slice_pitch});
}

absl::StatusOr<HostLayout> ImageDataLayout(const cl_image_format& format, const cl_image_desc& desc) {
  if (desc.image_type < CL_MEM_OBJECT_IMAGE2D || desc.image_type > CL_MEM_OBJECT_IMAGE1D_BUFFER)
    return absl::InvalidArgumentError(absl::StrCat("image type ", desc.image_type, " is none"));
  return ImageRegionLayout({desc.image_type, PixelBytes(format)}, ImageExtent(desc).data(), desc.image_row_pitch,
                           desc.image_slice_pitch);
}

absl::StatusOr<HostLayout> ImageRowsLayout(const cl_image_format& format, size_t width, size_t height,
                                           size_t row_pitch) {
  return ImageSlicesLayout(format, width, height, 1, row_pitch, 0);
}

absl::StatusOr<HostLayout> ImageSlicesLayout(const cl_image_format& format, size_t width, size_t height, size_t depth,
                                             size_t row_pitch, size_t slice_pitch) {
  return MakeLayout({RowBytes(width, PixelBytes(format)), height, depth, row_pitch, slice_pitch});
}

void Pack(const HostLayout& layout, const void* host, std::byte* packed) {
  ForEachPiece(layout, static_cast<const std::byte*>(host), [&](const std::byte* from, uint64_t bytes) {
    std::memcpy(packed, from, bytes);
    packed += bytes;
  });
}

void Unpack(const HostLayout& layout, const std::byte* packed, void* host) {
  ForEachPiece(layout, static_cast<std::byte*>(host), [&](std::byte* to, uint64_t bytes) {
    std::memcpy(to, packed, bytes);
    packed += bytes;
  });
}

}  // namespace xpool::wire_cl
