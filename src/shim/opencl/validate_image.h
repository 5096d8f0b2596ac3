// Whether a command on images is valid, with OpenCL's error codes. For commands that are recorded. Pure but for
// FactsOf().
#pragma once

#include <CL/cl.h>

#include <array>
#include <cstddef>

#include "shim/opencl/validate_buffer.h"

namespace xpool::cl {

// What the checks need to know of an image.
struct ImageFacts {
  std::array<size_t, 3> size{1, 1, 1};  // in the coordinates of origin and region: pixels, array layers
  cl_uint dimensions = 2;               // how many of them may differ from 0 (origin) and 1 (region)
  cl_mem_flags flags = 0;
  cl_image_format format{};
  size_t element_bytes = 1;
  bool has_slices = false;     // 3D images and arrays
  const void* root = nullptr;  // identity
  bool supported = true;       // by the queue's device
};

ImageFacts ImageFactsOf(const Mem& image, const DeviceLimits& device);

cl_int CheckRegion(const ImageFacts& image, const size_t* origin, const size_t* region);
cl_int CheckImageTransfer(const ImageFacts& image, HostAccess access, const size_t* origin, const size_t* region,
                          size_t row_pitch, size_t slice_pitch, const void* ptr);
cl_int CheckImageFill(const ImageFacts& image, const void* color, const size_t* origin, const size_t* region);
cl_int CheckImageCopy(const ImageFacts& src, const ImageFacts& dst, const size_t* src_origin, const size_t* dst_origin,
                      const size_t* region);
// Between an image and the bytes at |offset| of a buffer.
cl_int CheckImageBufferCopy(const ImageFacts& image, const BufferFacts& buffer, const size_t* origin,
                            const size_t* region, size_t offset);

// Bytes of |region| densely packed. REQUIRES: it lies inside the image.
size_t RegionBytes(const ImageFacts& image, const size_t* region);

// Bytes of the value at clEnqueueFillImage's fill_color for |format|.
size_t FillColorBytes(const cl_image_format& format);

}  // namespace xpool::cl
