// Images and pipes. An image is charged by what the driver says it takes (CL_MEM_SIZE), which is known only when it is
// there; an estimate from its description is reserved before. One that is made from a buffer or another image shares
// that one's memory.
#include <limits>

#include "generated/opencl/hooks.h"
#include "opencl/image.h"
#include "opencl/info.h"
#include "opencl/pixel.h"
#include "shim/opencl/driver_info.h"
#include "shim/opencl/memory.h"
#include "shim/opencl/memory_fate.h"
#include "shim/opencl/result.h"

namespace xpool::cl {
namespace {

uint64_t SaturatingMultiply(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<uint64_t>::max() : product;
}

uint64_t EstimateBytes(const cl_image_format& format, const cl_image_desc& desc) {
  uint64_t bytes = PixelBytes(format, 4, 2);
  for (const size_t length : ImageExtent(desc)) bytes = SaturatingMultiply(bytes, length);
  return bytes;
}

uint64_t DriverBytes(const Context& context, cl_mem driver, uint64_t estimate) {
  const auto query = [&](size_t size, void* value, size_t* size_ret) {
    return context.api->clGetMemObjectInfo(driver, CL_MEM_SIZE, size, value, size_ret);
  };
  return QueryValue<size_t>(query, estimate);
}

// What an image is to be made of. |format| and |desc| are the program's, |source| is its desc.mem_object.
struct ImageRequest {
  Context* context;
  const cl_mem_properties* properties;
  cl_image_format format;
  cl_image_desc desc;
  Mem* source;
};

// Charges, asks the driver by |create|(errcode_ret), and makes our object.
template <typename Create>
cl_mem CreateImage(const ImageRequest& request, cl_int* errcode_ret, const Create& create) {
  const uint64_t estimate = request.source == nullptr ? EstimateBytes(request.format, request.desc) : 0;
  if (estimate > MaxAllocBytes(*request.context)) return Fail(errcode_ret, CL_INVALID_IMAGE_SIZE);
  Reservation reservation(SlicesOf(*request.context), estimate);
  if (!reservation.ok()) return Fail(errcode_ret, CL_MEM_OBJECT_ALLOCATION_FAILURE);
  cl_int error = CL_SUCCESS;
  cl_mem driver = create(&error);
  if (driver == nullptr) return Fail(errcode_ret, error);
  if (request.source == nullptr && !reservation.Resize(DriverBytes(*request.context, driver, estimate))) {
    request.context->api->clReleaseMemObject(driver);
    return Fail(errcode_ret, CL_MEM_OBJECT_ALLOCATION_FAILURE);
  }
  Mem* mem = AdoptMem(request.context, driver, request.desc.image_type, reservation.Commit());
  mem->parent = Ref<Mem>(request.source);
  mem->properties = CopyProperties(request.properties);
  return Succeed(errcode_ret, mem);
}

// Checks and unwraps what the program describes; the driver checks the rest.
cl_int Read(cl_context context, const cl_mem_properties* properties, const cl_image_format* format,
            const cl_image_desc* desc, ImageRequest* request) {
  request->context = UsableContext(context);
  if (request->context == nullptr) return CL_INVALID_CONTEXT;
  if (format == nullptr) return CL_INVALID_IMAGE_FORMAT_DESCRIPTOR;
  if (desc == nullptr) return CL_INVALID_IMAGE_DESCRIPTOR;
  request->properties = properties;
  request->format = *format;
  request->desc = *desc;
  request->source = FromHandle<Mem>(desc->mem_object);
  if (desc->mem_object != nullptr && request->source == nullptr) return CL_INVALID_IMAGE_DESCRIPTOR;
  request->desc.mem_object = request->source == nullptr ? nullptr : request->source->driver;
  return CL_SUCCESS;
}

// The two calls of OpenCL 1.0 as a request.
ImageRequest OldRequest(Context* context, const cl_image_format& format, cl_mem_object_type type, size_t width,
                        size_t height, size_t depth) {
  ImageRequest request{context, nullptr, format, {}, nullptr};
  request.desc.image_type = type;
  request.desc.image_width = width;
  request.desc.image_height = height;
  request.desc.image_depth = depth;
  return request;
}

}  // namespace

namespace hook {

cl_mem clCreateImage(cl_context context, cl_mem_flags flags, const cl_image_format* image_format,
                     const cl_image_desc* image_desc, void* host_ptr, cl_int* errcode_ret) {
  return hook::clCreateImageWithProperties(context, nullptr, flags, image_format, image_desc, host_ptr, errcode_ret);
}

cl_mem clCreateImageWithProperties(cl_context context, const cl_mem_properties* properties, cl_mem_flags flags,
                                   const cl_image_format* image_format, const cl_image_desc* image_desc, void* host_ptr,
                                   cl_int* errcode_ret) {
  ImageRequest request;
  const cl_int invalid = Read(context, properties, image_format, image_desc, &request);
  if (invalid != CL_SUCCESS) return Fail(errcode_ret, invalid);
  const DispatchTable& api = *request.context->api;
  const cl_context driver = request.context->driver;
  return CreateImage(request, errcode_ret, [&](cl_int* error) {
    // An older driver knows no properties, so it can have none.
    return properties != nullptr && properties[0] != 0
               ? api.clCreateImageWithProperties(driver, properties, flags, image_format, &request.desc, host_ptr,
                                                 error)
               : api.clCreateImage(driver, flags, image_format, &request.desc, host_ptr, error);
  });
}

cl_mem clCreateImage2D(cl_context context, cl_mem_flags flags, const cl_image_format* image_format, size_t image_width,
                       size_t image_height, size_t image_row_pitch, void* host_ptr, cl_int* errcode_ret) {
  Context* own = UsableContext(context);
  if (own == nullptr) return Fail(errcode_ret, CL_INVALID_CONTEXT);
  if (image_format == nullptr) return Fail(errcode_ret, CL_INVALID_IMAGE_FORMAT_DESCRIPTOR);
  const ImageRequest request = OldRequest(own, *image_format, CL_MEM_OBJECT_IMAGE2D, image_width, image_height, 1);
  return CreateImage(request, errcode_ret, [&](cl_int* error) {
    return own->api->clCreateImage2D(own->driver, flags, image_format, image_width, image_height, image_row_pitch,
                                     host_ptr, error);
  });
}

cl_mem clCreateImage3D(cl_context context, cl_mem_flags flags, const cl_image_format* image_format, size_t image_width,
                       size_t image_height, size_t image_depth, size_t image_row_pitch, size_t image_slice_pitch,
                       void* host_ptr, cl_int* errcode_ret) {
  Context* own = UsableContext(context);
  if (own == nullptr) return Fail(errcode_ret, CL_INVALID_CONTEXT);
  if (image_format == nullptr) return Fail(errcode_ret, CL_INVALID_IMAGE_FORMAT_DESCRIPTOR);
  const ImageRequest request =
      OldRequest(own, *image_format, CL_MEM_OBJECT_IMAGE3D, image_width, image_height, image_depth);
  return CreateImage(request, errcode_ret, [&](cl_int* error) {
    return own->api->clCreateImage3D(own->driver, flags, image_format, image_width, image_height, image_depth,
                                     image_row_pitch, image_slice_pitch, host_ptr, error);
  });
}

cl_int clGetSupportedImageFormats(cl_context context, cl_mem_flags flags, cl_mem_object_type image_type,
                                  cl_uint num_entries, cl_image_format* image_formats, cl_uint* num_image_formats) {
  const Context* own = UsableContext(context);
  if (own == nullptr) return CL_INVALID_CONTEXT;
  return own->api->clGetSupportedImageFormats(own->driver, flags, image_type, num_entries, image_formats,
                                              num_image_formats);
}

cl_int clGetImageInfo(cl_mem image, cl_image_info param_name, size_t param_value_size, void* param_value,
                      size_t* param_value_size_ret) {
  const Mem* own = FromHandle<Mem>(image);
  if (own == nullptr || !own->is_image()) return CL_INVALID_MEM_OBJECT;
  if (param_name == CL_IMAGE_BUFFER) {
    const Mem* source = own->parent.get();
    const bool of_buffer = source != nullptr && source->type == CL_MEM_OBJECT_BUFFER;
    const InfoOut out(param_value_size, param_value, param_value_size_ret);
    return out.Value(of_buffer ? ToHandle(own->parent.get()) : nullptr);
  }
  return own->api->clGetImageInfo(own->driver, param_name, param_value_size, param_value, param_value_size_ret);
}

cl_mem clCreatePipe(cl_context context, cl_mem_flags flags, cl_uint pipe_packet_size, cl_uint pipe_max_packets,
                    const cl_pipe_properties* properties, cl_int* errcode_ret) {
  Context* own = UsableContext(context);
  if (own == nullptr) return Fail(errcode_ret, CL_INVALID_CONTEXT);
  const uint64_t bytes = uint64_t{pipe_packet_size} * pipe_max_packets;
  if (bytes > MaxAllocBytes(*own)) return Fail(errcode_ret, CL_INVALID_PIPE_SIZE);
  Reservation reservation(SlicesOf(*own), bytes);
  if (!reservation.ok()) return Fail(errcode_ret, CL_MEM_OBJECT_ALLOCATION_FAILURE);
  cl_int error = CL_SUCCESS;
  cl_mem driver = own->api->clCreatePipe(own->driver, flags, pipe_packet_size, pipe_max_packets, properties, &error);
  if (driver == nullptr) return Fail(errcode_ret, error);
  return Succeed(errcode_ret, AdoptMem(own, driver, CL_MEM_OBJECT_PIPE, reservation.Commit()));
}

cl_int clGetPipeInfo(cl_mem pipe, cl_pipe_info param_name, size_t param_value_size, void* param_value,
                     size_t* param_value_size_ret) {
  const Mem* own = FromHandle<Mem>(pipe);
  if (own == nullptr || own->type != CL_MEM_OBJECT_PIPE) return CL_INVALID_MEM_OBJECT;
  return own->api->clGetPipeInfo(own->driver, param_name, param_value_size, param_value, param_value_size_ret);
}

}  // namespace hook
}  // namespace xpool::cl
