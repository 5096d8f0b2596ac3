#include "shim/opencl/validate_image.h"

#include <algorithm>

#include "opencl/image.h"
#include "shim/opencl/memory.h"

namespace xpool::cl {
namespace {

cl_uint DimensionsOf(cl_mem_object_type type) {
  switch (type) {
    case CL_MEM_OBJECT_IMAGE1D_ARRAY:
    case CL_MEM_OBJECT_IMAGE2D:
      return 2;
    case CL_MEM_OBJECT_IMAGE2D_ARRAY:
    case CL_MEM_OBJECT_IMAGE3D:
      return 3;
    default:
      return 1;
  }
}

bool RegionsOverlap(const size_t* a, const size_t* b, const size_t* region) {
  for (int i = 0; i < 3; ++i) {
    const size_t distance = a[i] < b[i] ? b[i] - a[i] : a[i] - b[i];
    if (distance >= region[i]) return false;
  }
  return true;
}

}  // namespace

ImageFacts ImageFactsOf(const Mem& image, const DeviceLimits& device) {
  return {
      .size = ImageExtent(image.desc),
      .dimensions = DimensionsOf(image.type),
      .flags = image.flags,
      .format = image.format,
      .element_bytes = std::max<size_t>(image.element_bytes, 1),
      .has_slices = HasSlices(image.type),
      .root = &image,
      .supported = device.images,
  };
}

cl_int CheckRegion(const ImageFacts& image, const size_t* origin, const size_t* region) {
  if (!image.supported) return CL_INVALID_OPERATION;
  if (origin == nullptr || region == nullptr) return CL_INVALID_VALUE;
  for (cl_uint i = 0; i < 3; ++i) {
    if (i >= image.dimensions && (origin[i] != 0 || region[i] != 1)) return CL_INVALID_VALUE;
    if (!InBounds(origin[i], region[i], image.size[i])) return CL_INVALID_VALUE;
  }
  return CL_SUCCESS;
}

cl_int CheckImageTransfer(const ImageFacts& image, HostAccess access, const size_t* origin, const size_t* region,
                          size_t row_pitch, size_t slice_pitch, const void* ptr) {
  const cl_int status = CheckRegion(image, origin, region);
  if (status != CL_SUCCESS) return status;
  if (ptr == nullptr) return CL_INVALID_VALUE;
  const size_t row_bytes = region[0] * image.element_bytes;
  if (row_pitch != 0 && row_pitch < row_bytes) return CL_INVALID_VALUE;
  if (slice_pitch != 0) {
    const size_t rows = image.dimensions == 3 ? region[1] : 1;
    if (!image.has_slices || slice_pitch < rows * std::max(row_pitch, row_bytes)) return CL_INVALID_VALUE;
  }
  return CheckHostAccess(image.flags, access);
}

cl_int CheckImageFill(const ImageFacts& image, const void* color, const size_t* origin, const size_t* region) {
  return color == nullptr ? CL_INVALID_VALUE : CheckRegion(image, origin, region);
}

cl_int CheckImageCopy(const ImageFacts& src, const ImageFacts& dst, const size_t* src_origin, const size_t* dst_origin,
                      const size_t* region) {
  if (src.format.image_channel_order != dst.format.image_channel_order ||
      src.format.image_channel_data_type != dst.format.image_channel_data_type) {
    return CL_IMAGE_FORMAT_MISMATCH;
  }
  cl_int status = CheckRegion(src, src_origin, region);
  if (status == CL_SUCCESS) status = CheckRegion(dst, dst_origin, region);
  if (status != CL_SUCCESS) return status;
  return src.root == dst.root && RegionsOverlap(src_origin, dst_origin, region) ? CL_MEM_COPY_OVERLAP : CL_SUCCESS;
}

cl_int CheckImageBufferCopy(const ImageFacts& image, const BufferFacts& buffer, const size_t* origin,
                            const size_t* region, size_t offset) {
  const cl_int status = CheckRegion(image, origin, region);
  if (status != CL_SUCCESS) return status;
  if (!InBounds(offset, RegionBytes(image, region), buffer.size)) return CL_INVALID_VALUE;
  return buffer.misaligned ? CL_MISALIGNED_SUB_BUFFER_OFFSET : CL_SUCCESS;
}

size_t RegionBytes(const ImageFacts& image, const size_t* region) {
  return region[0] * region[1] * region[2] * image.element_bytes;
}

size_t FillColorBytes(const cl_image_format& format) {
  return format.image_channel_order == CL_DEPTH ? sizeof(cl_float) : 4 * sizeof(cl_float);
}

}  // namespace xpool::cl
