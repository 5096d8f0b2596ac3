// How large a pixel of an image is, by its format.
#pragma once

#include <CL/cl.h>

#include <cstddef>

namespace xpool {

// 0: not a channel order of the OpenCL specification.
inline size_t ChannelCount(cl_channel_order order) {
  switch (order) {
    case CL_R:
    case CL_A:
    case CL_Rx:
    case CL_INTENSITY:
    case CL_LUMINANCE:
    case CL_DEPTH:
      return 1;
    case CL_RG:
    case CL_RA:
    case CL_RGx:
      return 2;
    case CL_RGB:
    case CL_RGBx:
    case CL_sRGB:
      return 3;
    case CL_RGBA:
    case CL_BGRA:
    case CL_ARGB:
    case CL_ABGR:
    case CL_sRGBx:
    case CL_sRGBA:
    case CL_sBGRA:
      return 4;
    default:
      return 0;
  }
}

// Bytes; |unknown_channels| and |unknown_channel_bytes| are taken for what the specification does not know. 0: unknown.
inline size_t PixelBytes(const cl_image_format& format, size_t unknown_channels = 0, size_t unknown_channel_bytes = 0) {
  const size_t known_channels = ChannelCount(format.image_channel_order);
  const size_t channels = known_channels != 0 ? known_channels : unknown_channels;
  if (channels == 0) return 0;
  switch (format.image_channel_data_type) {
    case CL_UNORM_SHORT_565:
    case CL_UNORM_SHORT_555:
      return 2;
    case CL_UNORM_INT_101010:
    case CL_UNORM_INT_101010_2:
    case CL_UNORM_INT24:
      return 4;
    case CL_SNORM_INT8:
    case CL_UNORM_INT8:
    case CL_SIGNED_INT8:
    case CL_UNSIGNED_INT8:
      return channels;
    case CL_SNORM_INT16:
    case CL_UNORM_INT16:
    case CL_SIGNED_INT16:
    case CL_UNSIGNED_INT16:
    case CL_HALF_FLOAT:
      return 2 * channels;
    case CL_SIGNED_INT32:
    case CL_UNSIGNED_INT32:
    case CL_FLOAT:
      return 4 * channels;
    default:
      return unknown_channel_bytes * channels;
  }
}

}  // namespace xpool
