// The sizes of images by their descriptors, and where pixels lie.
#pragma once

#include <CL/cl.h>

#include <array>
#include <cstddef>

namespace xpool {

// 3D images and arrays: those of which a slice pitch says something.
inline bool HasSlices(cl_mem_object_type type) {
  return type == CL_MEM_OBJECT_IMAGE3D || type == CL_MEM_OBJECT_IMAGE2D_ARRAY || type == CL_MEM_OBJECT_IMAGE1D_ARRAY;
}

// In the coordinates of origin and region: pixels and array layers; 1 where the type has no such coordinate.
inline std::array<size_t, 3> ImageExtent(const cl_image_desc& desc) {
  switch (desc.image_type) {
    case CL_MEM_OBJECT_IMAGE1D_ARRAY:
      return {desc.image_width, desc.image_array_size, 1};
    case CL_MEM_OBJECT_IMAGE2D:
      return {desc.image_width, desc.image_height, 1};
    case CL_MEM_OBJECT_IMAGE2D_ARRAY:
      return {desc.image_width, desc.image_height, desc.image_array_size};
    case CL_MEM_OBJECT_IMAGE3D:
      return {desc.image_width, desc.image_height, desc.image_depth};
    default:
      return {desc.image_width, 1, 1};
  }
}

// Where the pixel at |origin| is in memory with |desc|'s pitches. The layers of a 1D array are a slice pitch apart.
inline size_t PixelOffset(const cl_image_desc& desc, size_t pixel_bytes, const size_t* origin) {
  const bool layers = desc.image_type == CL_MEM_OBJECT_IMAGE1D_ARRAY;
  const size_t row_pitch = layers ? desc.image_slice_pitch : desc.image_row_pitch;
  return origin[0] * pixel_bytes + origin[1] * row_pitch + origin[2] * desc.image_slice_pitch;
}

}  // namespace xpool
