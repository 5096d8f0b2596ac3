// Buffers, images, samplers. A buffer is made without waiting: what can be wrong with it is checked here, and if the
// worker cannot make it after all, the commands that use it say so. Images and samplers wait, for their exact errors.

#include <algorithm>

#include "backend/remote/calls.h"
#include "backend/remote/coherence.h"
#include "backend/remote/svm_space.h"
#include "opencl/image.h"
#include "opencl/pixel.h"

namespace xpool::remote {

using wire_cl::CallId;
using wire_cl::HostLayout;
using wire_cl::Notice;

namespace {

constexpr cl_mem_flags kDeviceAccess = CL_MEM_READ_WRITE | CL_MEM_WRITE_ONLY | CL_MEM_READ_ONLY;
constexpr cl_mem_flags kHostAccess = CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS;

// The program's memory is used in place by no worker: it gets a copy, and what is mapped is brought back here. And what
// is on several nodes is read and written by us, whatever the program may do, which the shim looks after.
cl_mem_flags CrossingFlags(cl_context context, cl_mem_flags flags) {
  if (From<Context>(context)->spans_nodes()) flags &= ~kHostAccess;
  return (flags & CL_MEM_USE_HOST_PTR) == 0 ? flags
                                            : (flags & ~cl_mem_flags{CL_MEM_USE_HOST_PTR}) | CL_MEM_COPY_HOST_PTR;
}

// What coherence.h needs of an object of |bytes| bytes that nothing contains.
void SpreadOver(const Context& context, uint64_t bytes, Mem* mem) {
  if (context.spans_nodes()) mem->spread = std::make_unique<Spread>(std::max<uint64_t>(1, bytes), context.links.size());
}

cl_int CheckFlags(cl_mem_flags flags, const void* host_ptr) {
  constexpr cl_mem_flags kWithData = CL_MEM_USE_HOST_PTR | CL_MEM_COPY_HOST_PTR;
  constexpr cl_mem_flags kKnown =
      kDeviceAccess | kHostAccess | kWithData | CL_MEM_ALLOC_HOST_PTR | CL_MEM_KERNEL_READ_AND_WRITE;
  const auto more_than_one = [](cl_mem_flags of) { return (of & (of - 1)) != 0; };
  if ((flags & ~kKnown) != 0 || more_than_one(flags & kDeviceAccess) || more_than_one(flags & kHostAccess))
    return CL_INVALID_VALUE;
  const bool in_place = (flags & CL_MEM_USE_HOST_PTR) != 0;
  if (in_place && (flags & (CL_MEM_COPY_HOST_PTR | CL_MEM_ALLOC_HOST_PTR)) != 0) return CL_INVALID_VALUE;
  return (host_ptr != nullptr) == ((flags & kWithData) != 0) ? CL_SUCCESS : CL_INVALID_HOST_PTR;
}

cl_mem_flags WithDefaults(cl_mem_flags flags) {
  return (flags & kDeviceAccess) == 0 ? flags | CL_MEM_READ_WRITE : flags;
}

// Sends |layout|'s bytes at |data| ahead, if they are too long for a frame: the transfer, or 0.
absl::StatusOr<uint64_t> StageLong(ClLink* link, const void* data, const HostLayout& layout) {
  if (data == nullptr || layout.bytes() <= link->max_inline_bytes()) return 0;
  return link->Stage({data, layout});
}

cl_mem CreateBufferLike(cl_context context, const cl_mem_properties* properties, cl_mem_flags flags, size_t size,
                        void* host_ptr, cl_int* errcode_ret) {
  if (const cl_int invalid = CheckFlags(flags, host_ptr); invalid != CL_SUCCESS)
    return Fail<cl_mem>(errcode_ret, invalid);
  auto* const mem = new Mem(From<Context>(context));
  mem->flags = WithDefaults(flags);
  mem->size = size;
  if ((flags & CL_MEM_USE_HOST_PTR) != 0) {
    mem->host_ptr = host_ptr;
    mem->shared = SvmSpace::OfProcess().Find(mem->context.get(), host_ptr, size);
  }
  const bool shared = mem->shared != nullptr;
  const cl_mem_flags crossing = shared ? flags : CrossingFlags(context, flags);
  SpreadOver(*mem->context, size, mem);
  const cl_int status = MakeOn(mem->context->links, mem, [&](ClLink* link, CallOptions& options) {
    options.host_memory_is_shared = shared;
    const absl::StatusOr<uint64_t> staged = shared ? 0 : StageLong(link, host_ptr, wire_cl::DenseLayout(size));
    if (!staged.ok()) return ErrorOf(staged.status());
    options.staged = *staged;
    if (properties != nullptr && properties[0] != 0) {  // rare, and an implementation's own: it is asked
      return XPOOL_ASK(link, options, clCreateBufferWithProperties, context, properties, crossing, size, host_ptr,
                       nullptr);
    }
    return ErrorOf(XPOOL_SEND(link, options, clCreateBuffer, context, crossing, size, host_ptr, nullptr).status());
  });
  LiveArguments::Add(mem);
  return Return<cl_mem>(mem, status, errcode_ret);
}

cl_mem CL_API_CALL CreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void* host_ptr,
                                cl_int* errcode_ret) {
  return CreateBufferLike(context, nullptr, flags, size, host_ptr, errcode_ret);
}

// What a part of a buffer may do: what is not said is as in the whole.
cl_int InheritFlags(const Mem& whole, cl_mem_flags asked, cl_mem_flags* flags) {
  constexpr cl_mem_flags kMemory = CL_MEM_USE_HOST_PTR | CL_MEM_COPY_HOST_PTR | CL_MEM_ALLOC_HOST_PTR;
  const cl_mem_flags whole_device = whole.flags & kDeviceAccess, whole_host = whole.flags & kHostAccess;
  if ((asked & kMemory) != 0) return CL_INVALID_VALUE;
  const bool widens_device =
      (whole_device == CL_MEM_WRITE_ONLY && (asked & (CL_MEM_READ_WRITE | CL_MEM_READ_ONLY)) != 0) ||
      (whole_device == CL_MEM_READ_ONLY && (asked & (CL_MEM_READ_WRITE | CL_MEM_WRITE_ONLY)) != 0);
  const bool widens_host =
      (whole_host == CL_MEM_HOST_WRITE_ONLY && (asked & CL_MEM_HOST_READ_ONLY) != 0) ||
      (whole_host == CL_MEM_HOST_READ_ONLY && (asked & CL_MEM_HOST_WRITE_ONLY) != 0) ||
      (whole_host == CL_MEM_HOST_NO_ACCESS && (asked & (CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_WRITE_ONLY)) != 0);
  if (widens_device || widens_host) return CL_INVALID_VALUE;
  *flags = asked | (whole.flags & kMemory);
  if ((asked & kDeviceAccess) == 0) *flags |= whole_device;
  if ((asked & kHostAccess) == 0) *flags |= whole_host;
  return CL_SUCCESS;
}

cl_int BaseAlignBytes(const Mem& mem, size_t* bytes) {
  cl_uint least = UINT32_MAX;  // the specification asks for one device with whose alignment it agrees
  for (Device* const device : mem.context->devices) {
    cl_uint bits = 0;
    const cl_int status = RemotePlatform::Api().clGetDeviceInfo(To<cl_device_id>(device), CL_DEVICE_MEM_BASE_ADDR_ALIGN,
                                                                sizeof(bits), &bits, nullptr);
    if (status != CL_SUCCESS) return status;
    least = std::min(least, bits);
  }
  *bytes = std::max<size_t>(1, least / 8);
  return CL_SUCCESS;
}

cl_mem CL_API_CALL CreateSubBuffer(cl_mem buffer, cl_mem_flags flags, cl_buffer_create_type type, const void* info,
                                   cl_int* errcode_ret) {
  Mem* const whole = From<Mem>(buffer);
  if (type != CL_BUFFER_CREATE_TYPE_REGION || info == nullptr) return Fail<cl_mem>(errcode_ret, CL_INVALID_VALUE);
  const auto& region = *static_cast<const cl_buffer_region*>(info);
  if (region.size == 0) return Fail<cl_mem>(errcode_ret, CL_INVALID_BUFFER_SIZE);
  if (region.origin > whole->size || region.size > whole->size - region.origin)
    return Fail<cl_mem>(errcode_ret, CL_INVALID_VALUE);
  cl_mem_flags inherited = 0;
  cl_int status = InheritFlags(*whole, flags, &inherited);
  size_t alignment = 1;
  if (status == CL_SUCCESS) status = BaseAlignBytes(*whole, &alignment);
  if (status == CL_SUCCESS && region.origin % alignment != 0) status = CL_MISALIGNED_SUB_BUFFER_OFFSET;
  if (status != CL_SUCCESS) return Fail<cl_mem>(errcode_ret, status);
  auto* const mem = new Mem(whole->context.get());
  mem->parent = Ref<Mem>(whole);
  mem->flags = inherited;
  mem->size = region.size;
  mem->offset = region.origin;
  if (whole->host_ptr != nullptr) mem->host_ptr = static_cast<char*>(whole->host_ptr) + region.origin;
  const cl_mem_flags crossing = CrossingFlags(To<cl_context>(mem->context.get()), flags);
  mem->shared = whole->shared;
  status = MakeOn(mem->context->links, mem, [&](ClLink* link, const CallOptions& options) {
    return ErrorOf(XPOOL_SEND(link, options, clCreateSubBuffer, buffer, crossing, type, info, nullptr).status());
  });
  LiveArguments::Add(mem);
  return Return<cl_mem>(mem, status, errcode_ret);
}

// What the program says of an image's host memory, and where 0 stands for "packed".
cl_image_desc HostDesc(const cl_image_format& format, cl_image_desc desc) {
  const size_t row = desc.image_width * PixelBytes(format, 4, 2);
  if (desc.image_row_pitch == 0) desc.image_row_pitch = row;
  const size_t rows = desc.image_type == CL_MEM_OBJECT_IMAGE1D_ARRAY ? 1 : desc.image_height;
  if (desc.image_slice_pitch == 0 && HasSlices(desc.image_type)) desc.image_slice_pitch = desc.image_row_pitch * rows;
  return desc;
}

// Makes an image by |ask|(link, options).
template <typename AskFor>
cl_mem CreateImageLike(cl_context context, cl_mem_flags flags, const cl_image_format* format, const cl_image_desc& desc,
                       void* host_ptr, cl_int* errcode_ret, const AskFor& ask) {
  auto* const mem = new Mem(From<Context>(context));
  mem->type = desc.image_type;
  mem->flags = WithDefaults(flags);
  if (desc.mem_object != nullptr) mem->parent = Ref<Mem>(From<Mem>(desc.mem_object));
  if (format != nullptr) mem->format = *format;
  mem->desc = format == nullptr ? desc : HostDesc(*format, desc);
  mem->desc.mem_object = nullptr;
  if ((flags & CL_MEM_USE_HOST_PTR) != 0) mem->host_ptr = host_ptr;
  if (!mem->parent) SpreadOver(*mem->context, 1, mem);
  absl::StatusOr<HostLayout> layout = absl::NotFoundError("no data");
  if (host_ptr != nullptr && format != nullptr) layout = wire_cl::ImageDataLayout(*format, desc);
  cl_int status = MakeOn(mem->context->links, mem, [&](ClLink* link, CallOptions& options) {
    const absl::StatusOr<uint64_t> staged = layout.ok() ? StageLong(link, host_ptr, *layout) : 0;
    if (!staged.ok()) return ErrorOf(staged.status());
    options.staged = *staged;
    return ask(link, options);
  });
  LiveArguments::Add(mem);
  if (status != CL_SUCCESS) return Return<cl_mem>(mem, status, errcode_ret);
  status = RemotePlatform::Api().clGetImageInfo(To<cl_mem>(mem), CL_IMAGE_ELEMENT_SIZE, sizeof(size_t),
                                                &mem->element_bytes, nullptr);
  return Return<cl_mem>(mem, status, errcode_ret);
}

cl_mem CL_API_CALL CreateImageWithProperties(cl_context context, const cl_mem_properties* properties,
                                             cl_mem_flags flags, const cl_image_format* format,
                                             const cl_image_desc* desc, void* host_ptr, cl_int* errcode_ret) {
  return CreateImageLike(context, flags, format, *desc, host_ptr, errcode_ret,
                         [&](ClLink* link, const CallOptions& options) {
                           return XPOOL_ASK(link, options, clCreateImageWithProperties, context, properties,
                                            CrossingFlags(context, flags), format, desc, host_ptr, nullptr);
                         });
}

cl_mem CL_API_CALL CreateImage(cl_context context, cl_mem_flags flags, const cl_image_format* format,
                               const cl_image_desc* desc, void* host_ptr, cl_int* errcode_ret) {
  return CreateImageLike(context, flags, format, *desc, host_ptr, errcode_ret,
                         [&](ClLink* link, const CallOptions& options) {
                           return XPOOL_ASK(link, options, clCreateImage, context, CrossingFlags(context, flags),
                                            format, desc, host_ptr, nullptr);
                         });
}

cl_mem CL_API_CALL CreateImage2D(cl_context context, cl_mem_flags flags, const cl_image_format* format, size_t width,
                                 size_t height, size_t row_pitch, void* host_ptr, cl_int* errcode_ret) {
  cl_image_desc desc{};
  desc.image_type = CL_MEM_OBJECT_IMAGE2D;
  desc.image_width = width;
  desc.image_height = height;
  desc.image_row_pitch = row_pitch;
  return CreateImageLike(context, flags, format, desc, host_ptr, errcode_ret,
                         [&](ClLink* link, const CallOptions& options) {
                           return XPOOL_ASK(link, options, clCreateImage2D, context, CrossingFlags(context, flags),
                                            format, width, height, row_pitch, host_ptr, nullptr);
                         });
}

cl_mem CL_API_CALL CreateImage3D(cl_context context, cl_mem_flags flags, const cl_image_format* format, size_t width,
                                 size_t height, size_t depth, size_t row_pitch, size_t slice_pitch, void* host_ptr,
                                 cl_int* errcode_ret) {
  cl_image_desc desc{};
  desc.image_type = CL_MEM_OBJECT_IMAGE3D;
  desc.image_width = width;
  desc.image_height = height;
  desc.image_depth = depth;
  desc.image_row_pitch = row_pitch;
  desc.image_slice_pitch = slice_pitch;
  return CreateImageLike(context, flags, format, desc, host_ptr, errcode_ret,
                         [&](ClLink* link, const CallOptions& options) {
                           return XPOOL_ASK(link, options, clCreateImage3D, context, CrossingFlags(context, flags),
                                            format, width, height, depth, row_pitch, slice_pitch, host_ptr, nullptr);
                         });
}

cl_int CL_API_CALL RetainMem(cl_mem mem) { return Retain(From<Mem>(mem)); }
cl_int CL_API_CALL ReleaseMem(cl_mem mem) { return Release(From<Mem>(mem)); }

cl_int CL_API_CALL GetMemInfo(cl_mem mem, cl_mem_info param, size_t size, void* value, size_t* size_ret) {
  Mem* const own = From<Mem>(mem);
  const InfoOut out(size, value, size_ret);
  switch (param) {
    case CL_MEM_TYPE:
      return out.Value(own->type);
    case CL_MEM_FLAGS:
      return out.Value(own->flags);
    case CL_MEM_HOST_PTR:
      return out.Value(own->host_ptr);
    case CL_MEM_OFFSET:
      return out.Value(own->offset);
    case CL_MEM_SIZE:
      if (own->type == CL_MEM_OBJECT_BUFFER) return out.Value(own->size);
      break;
    case CL_MEM_USES_SVM_POINTER:
      return out.Value(cl_bool{own->shared != nullptr});
  }
  ClLink* const link = own->context->links.front();
  return Remembered(
      &own->info, InfoKey(CallId::clGetMemObjectInfo, param), size, value, size_ret,
      [&](size_t n, void* v, size_t* r) { return XPOOL_ASK(link, {}, clGetMemObjectInfo, mem, param, n, v, r); });
}

cl_int CL_API_CALL GetImageInfo(cl_mem image, cl_image_info param, size_t size, void* value, size_t* size_ret) {
  Mem* const own = From<Mem>(image);
  const InfoOut out(size, value, size_ret);
  if (own->host_ptr != nullptr && param == CL_IMAGE_ROW_PITCH) return out.Value(own->desc.image_row_pitch);
  if (own->host_ptr != nullptr && param == CL_IMAGE_SLICE_PITCH) return out.Value(own->desc.image_slice_pitch);
  ClLink* const link = own->context->links.front();
  return Remembered(
      &own->info, InfoKey(CallId::clGetImageInfo, param), size, value, size_ret,
      [&](size_t n, void* v, size_t* r) { return XPOOL_ASK(link, {}, clGetImageInfo, image, param, n, v, r); });
}

cl_int CL_API_CALL SetMemDestructorCallback(cl_mem mem, cl::MemDestructorCallback callback, void* user_data) {
  Mem* const own = From<Mem>(mem);
  ClLink* const link = own->context->links.front();
  CallOptions options;
  // The object is gone here by then: its address is all that the callback gets.
  options.token = link->NewToken([mem, callback, user_data](const wire_cl::Fired&) { callback(mem, user_data); });
  const cl_int status = XPOOL_ASK(link, options, clSetMemObjectDestructorCallback, mem, callback, user_data);
  if (status != CL_SUCCESS) link->DropToken(options.token);
  return status;
}

cl_int CL_API_CALL GetSupportedImageFormats(cl_context context, cl_mem_flags flags, cl_mem_object_type type,
                                            cl_uint count, cl_image_format* formats, cl_uint* found) {
  return XPOOL_ASK(From<Context>(context)->links.front(), {}, clGetSupportedImageFormats, context, flags, type, count,
                   formats, found);
}

// --- Samplers -------------------------------------------------------------------------------------------------------

template <typename AskFor>
cl_sampler CreateSamplerLike(cl_context context, cl_int* errcode_ret, const AskFor& ask) {
  auto* const sampler = new Sampler(From<Context>(context));
  const cl_int status = MakeOn(sampler->context->links, sampler, ask);
  LiveArguments::Add(sampler);
  return Return<cl_sampler>(sampler, status, errcode_ret);
}

cl_sampler CL_API_CALL CreateSamplerWithProperties(cl_context context, const cl_sampler_properties* properties,
                                                   cl_int* errcode_ret) {
  return CreateSamplerLike(context, errcode_ret, [&](ClLink* link, const CallOptions& options) {
    return XPOOL_ASK(link, options, clCreateSamplerWithProperties, context, properties, nullptr);
  });
}

cl_sampler CL_API_CALL CreateSampler(cl_context context, cl_bool normalized, cl_addressing_mode addressing,
                                     cl_filter_mode filter, cl_int* errcode_ret) {
  return CreateSamplerLike(context, errcode_ret, [&](ClLink* link, const CallOptions& options) {
    return XPOOL_ASK(link, options, clCreateSampler, context, normalized, addressing, filter, nullptr);
  });
}

cl_int CL_API_CALL RetainSampler(cl_sampler sampler) { return Retain(From<Sampler>(sampler)); }
cl_int CL_API_CALL ReleaseSampler(cl_sampler sampler) { return Release(From<Sampler>(sampler)); }

cl_int CL_API_CALL GetSamplerInfo(cl_sampler sampler, cl_sampler_info param, size_t size, void* value,
                                  size_t* size_ret) {
  Sampler* const own = From<Sampler>(sampler);
  ClLink* const link = own->context->links.front();
  return Remembered(
      &own->info, InfoKey(CallId::clGetSamplerInfo, param), size, value, size_ret,
      [&](size_t n, void* v, size_t* r) { return XPOOL_ASK(link, {}, clGetSamplerInfo, sampler, param, n, v, r); });
}

}  // namespace

void FillMemoryCalls(cl::DispatchTable* table) {
  table->clCreateBuffer = &CreateBuffer;
  table->clCreateBufferWithProperties = &CreateBufferLike;
  table->clCreateSubBuffer = &CreateSubBuffer;
  table->clCreateImage = &CreateImage;
  table->clCreateImageWithProperties = &CreateImageWithProperties;
  table->clCreateImage2D = &CreateImage2D;
  table->clCreateImage3D = &CreateImage3D;
  table->clRetainMemObject = &RetainMem;
  table->clReleaseMemObject = &ReleaseMem;
  table->clGetMemObjectInfo = &GetMemInfo;
  table->clGetImageInfo = &GetImageInfo;
  table->clSetMemObjectDestructorCallback = &SetMemDestructorCallback;
  table->clGetSupportedImageFormats = &GetSupportedImageFormats;
  table->clCreateSamplerWithProperties = &CreateSamplerWithProperties;
  table->clCreateSampler = &CreateSampler;
  table->clRetainSampler = &RetainSampler;
  table->clReleaseSampler = &ReleaseSampler;
  table->clGetSamplerInfo = &GetSamplerInfo;
}

}  // namespace xpool::remote
