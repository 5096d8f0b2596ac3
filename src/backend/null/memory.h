// The memory behind buffers and images: host memory, charged to the device's XPOOL_NULL_MEMORY.
#pragma once

#include <array>

#include "backend/null/objects.h"

namespace xpool::null_cl {

// Charges |bytes| to the device; false when they are not there.
bool ChargeMemory(size_t bytes);
void ReleaseMemory(size_t bytes);

// Bytes of one pixel, or 0 when the format is not supported.
size_t PixelBytes(const cl_image_format& format);

using Triple = std::array<size_t, 3>;

// A box of bytes inside memory: where it begins, and the distance between its rows and slices.
struct Box {
  char* begin;
  size_t row_pitch;
  size_t slice_pitch;
};

// Copies |bytes_per_row| x |rows| x |slices|.
void CopyBox(const Box& to, const Box& from, size_t bytes_per_row, size_t rows, size_t slices);

// The slice pitch as programs are told it: of a 1D array, the distance between its layers; 0 where there are no slices.
size_t ToldSlicePitch(const Mem& image);

// Whether the box from |origin| of size |region| lies within the image.
bool InImage(const Mem& image, const size_t* origin, const size_t* region);

// That box.
Box ImageBox(const Mem& image, const size_t* origin);

// The same size in host memory, with pitches of 0 meaning tightly packed.
Box HostBox(const Mem& image, const size_t* region, size_t row_pitch, size_t slice_pitch, const void* ptr);

}  // namespace xpool::null_cl
