#include "backend/null/memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "backend/null/config.h"
#include "opencl/image.h"
#include "opencl/info.h"

namespace xpool::null_cl {
namespace {

std::atomic<uint64_t> used_bytes{0};

constexpr cl_mem_flags kHostFlags = CL_MEM_USE_HOST_PTR | CL_MEM_COPY_HOST_PTR;
constexpr cl_mem_flags kAccessFlags = CL_MEM_READ_WRITE | CL_MEM_WRITE_ONLY | CL_MEM_READ_ONLY;
constexpr cl_mem_flags kHostAccessFlags = CL_MEM_HOST_WRITE_ONLY | CL_MEM_HOST_READ_ONLY | CL_MEM_HOST_NO_ACCESS;
constexpr cl_mem_flags kAllFlags = kAccessFlags | kHostAccessFlags | kHostFlags | CL_MEM_ALLOC_HOST_PTR;

bool AtMostOne(cl_mem_flags flags) { return (flags & (flags - 1)) == 0; }

bool FlagsAreValid(cl_mem_flags flags) {
  const bool uses_and_allocates =
      (flags & CL_MEM_USE_HOST_PTR) != 0 && (flags & (CL_MEM_ALLOC_HOST_PTR | CL_MEM_COPY_HOST_PTR)) != 0;
  return (flags & ~kAllFlags) == 0 && AtMostOne(flags & kAccessFlags) && AtMostOne(flags & kHostAccessFlags) &&
         !uses_and_allocates;
}

// Gives |mem| its memory of mem->size bytes: the program's own, or a charged allocation.
cl_int Allocate(Mem* mem, void* host_ptr) {
  if ((mem->flags & CL_MEM_USE_HOST_PTR) != 0) {
    mem->host_ptr = host_ptr;
    mem->data = static_cast<char*>(host_ptr);
    return CL_SUCCESS;
  }
  if (!ChargeMemory(mem->size)) return CL_MEM_OBJECT_ALLOCATION_FAILURE;
  mem->data = static_cast<char*>(std::calloc(1, mem->size));
  mem->owned = mem->data != nullptr;
  if (!mem->owned) ReleaseMemory(mem->size);
  return mem->owned ? CL_SUCCESS : CL_MEM_OBJECT_ALLOCATION_FAILURE;
}

cl_mem Return(Mem* mem, cl_int status, cl_int* errcode_ret) {
  if (status == CL_SUCCESS) return Succeed(errcode_ret, mem);
  Release<Mem>(ToHandle(mem));
  return Fail(errcode_ret, status);
}

cl_mem CreateBuffer(cl_context context, const cl_mem_properties* properties, cl_mem_flags flags, size_t size,
                    void* host_ptr, cl_int* errcode_ret) {
  if (properties != nullptr && *properties != 0) return Fail(errcode_ret, CL_INVALID_PROPERTY);
  if (!FlagsAreValid(flags)) return Fail(errcode_ret, CL_INVALID_VALUE);
  if (size == 0 || size > GetConfig().memory_bytes / 2) return Fail(errcode_ret, CL_INVALID_BUFFER_SIZE);
  if (((flags & kHostFlags) != 0) != (host_ptr != nullptr)) return Fail(errcode_ret, CL_INVALID_HOST_PTR);
  auto* mem = new Mem(As<Context>(context), CL_MEM_OBJECT_BUFFER, flags);
  mem->size = size;
  mem->property_list = CopyProperties(properties);
  const cl_int status = Allocate(mem, host_ptr);
  if (status == CL_SUCCESS && (flags & CL_MEM_COPY_HOST_PTR) != 0) std::memcpy(mem->data, host_ptr, size);
  return Return(mem, status, errcode_ret);
}

size_t Channels(cl_channel_order order) {
  switch (order) {
    case CL_R:
    case CL_A:
    case CL_LUMINANCE:
    case CL_INTENSITY:
    case CL_DEPTH:
      return 1;
    case CL_RG:
    case CL_RA:
      return 2;
    case CL_RGBA:
    case CL_BGRA:
    case CL_ARGB:
      return 4;
  }
  return 0;
}

size_t ChannelBytes(cl_channel_type type) {
  switch (type) {
    case CL_SNORM_INT8:
    case CL_UNORM_INT8:
    case CL_SIGNED_INT8:
    case CL_UNSIGNED_INT8:
      return 1;
    case CL_SNORM_INT16:
    case CL_UNORM_INT16:
    case CL_SIGNED_INT16:
    case CL_UNSIGNED_INT16:
    case CL_HALF_FLOAT:
      return 2;
    case CL_SIGNED_INT32:
    case CL_UNSIGNED_INT32:
    case CL_FLOAT:
      return 4;
  }
  return 0;
}

bool IsArray(cl_mem_object_type type) {
  return type == CL_MEM_OBJECT_IMAGE1D_ARRAY || type == CL_MEM_OBJECT_IMAGE2D_ARRAY;
}

// Whether the sizes that the type of |desc| uses are there and within the device's limits.
bool DescIsValid(const cl_image_desc& desc) {
  const bool has_height = desc.image_type == CL_MEM_OBJECT_IMAGE2D || desc.image_type == CL_MEM_OBJECT_IMAGE2D_ARRAY ||
                          desc.image_type == CL_MEM_OBJECT_IMAGE3D;
  const bool has_depth = desc.image_type == CL_MEM_OBJECT_IMAGE3D;
  const size_t limit = has_depth ? 2048 : desc.image_type == CL_MEM_OBJECT_IMAGE1D_BUFFER ? 1 << 20 : 16384;
  const auto valid = [&](bool used, size_t value, size_t most) { return !used || (value >= 1 && value <= most); };
  return desc.image_type >= CL_MEM_OBJECT_IMAGE2D && desc.image_type <= CL_MEM_OBJECT_IMAGE1D_BUFFER &&
         valid(true, desc.image_width, limit) && valid(has_height, desc.image_height, limit) &&
         valid(has_depth, desc.image_depth, limit) && valid(IsArray(desc.image_type), desc.image_array_size, 2048) &&
         desc.num_mip_levels == 0 && desc.num_samples == 0;
}

// Sets the pitches and the size of |image| and, if it is made from a buffer, its memory.
cl_int LayOut(Mem* image, const cl_image_desc& desc, void* host_ptr) {
  const Triple extent = ImageExtent(desc);
  image->row_pitch = extent[0] * image->element_bytes;
  Mem* source = desc.mem_object == nullptr ? nullptr : As<Mem>(desc.mem_object);
  if (desc.mem_object != nullptr && source == nullptr) return CL_INVALID_IMAGE_DESCRIPTOR;
  const bool keeps_pitch = source != nullptr || (image->flags & CL_MEM_USE_HOST_PTR) != 0;
  if (keeps_pitch && desc.image_row_pitch != 0) image->row_pitch = desc.image_row_pitch;
  image->slice_pitch = image->row_pitch * extent[1];
  if (keeps_pitch && desc.image_slice_pitch != 0) {
    // Of a 1D array, the slices are its rows.
    (image->type == CL_MEM_OBJECT_IMAGE1D_ARRAY ? image->row_pitch : image->slice_pitch) = desc.image_slice_pitch;
  }
  image->size = image->slice_pitch * extent[2];
  if (source == nullptr) return Allocate(image, host_ptr);
  if (image->size > source->size) return CL_INVALID_IMAGE_SIZE;
  image->parent = Ref<Mem>(source);
  image->data = source->data;
  image->host_ptr = source->host_ptr;
  return CL_SUCCESS;
}

cl_mem CreateImage(cl_context context, const cl_mem_properties* properties, cl_mem_flags flags,
                   const cl_image_format& format, const cl_image_desc& desc, void* host_ptr, cl_int* errcode_ret) {
  if (properties != nullptr && *properties != 0) return Fail(errcode_ret, CL_INVALID_PROPERTY);
  if (!FlagsAreValid(flags)) return Fail(errcode_ret, CL_INVALID_VALUE);
  if (!DescIsValid(desc)) return Fail(errcode_ret, CL_INVALID_IMAGE_DESCRIPTOR);
  if (PixelBytes(format) == 0) return Fail(errcode_ret, CL_IMAGE_FORMAT_NOT_SUPPORTED);
  if (((flags & kHostFlags) != 0) != (host_ptr != nullptr)) return Fail(errcode_ret, CL_INVALID_HOST_PTR);
  auto* image = new Mem(As<Context>(context), desc.image_type, flags);
  image->format = format;
  image->desc = desc;
  image->element_bytes = PixelBytes(format);
  image->property_list = CopyProperties(properties);
  const cl_int status = LayOut(image, desc, host_ptr);
  if (status == CL_SUCCESS && (flags & CL_MEM_COPY_HOST_PTR) != 0) {
    const Triple extent = ImageExtent(desc);
    const size_t origin[3] = {};
    CopyBox(ImageBox(*image, origin),
            HostBox(*image, extent.data(), desc.image_row_pitch, desc.image_slice_pitch, host_ptr),
            extent[0] * image->element_bytes, extent[1], extent[2]);
  }
  return Return(image, status, errcode_ret);
}

}  // namespace

bool ChargeMemory(size_t bytes) {
  const uint64_t limit = GetConfig().memory_bytes;
  uint64_t used = used_bytes.load();
  do {
    if (bytes > limit - used) return false;
  } while (!used_bytes.compare_exchange_weak(used, used + bytes));
  return true;
}

void ReleaseMemory(size_t bytes) { used_bytes.fetch_sub(bytes); }

size_t PixelBytes(const cl_image_format& format) {
  return Channels(format.image_channel_order) * ChannelBytes(format.image_channel_data_type);
}

void CopyBox(const Box& to, const Box& from, size_t bytes_per_row, size_t rows, size_t slices) {
  for (size_t z = 0; z < slices; ++z) {
    for (size_t y = 0; y < rows; ++y) {
      std::memmove(to.begin + z * to.slice_pitch + y * to.row_pitch,
                   from.begin + z * from.slice_pitch + y * from.row_pitch, bytes_per_row);
    }
  }
}

size_t ToldSlicePitch(const Mem& image) {
  if (!HasSlices(image.type)) return 0;
  return image.type == CL_MEM_OBJECT_IMAGE1D_ARRAY ? image.row_pitch : image.slice_pitch;
}

bool InImage(const Mem& image, const size_t* origin, const size_t* region) {
  const Triple extent = ImageExtent(image.desc);
  for (size_t i = 0; i < 3; ++i) {
    if (region[i] == 0 || region[i] > extent[i] || origin[i] > extent[i] - region[i]) return false;
  }
  return true;
}

Box ImageBox(const Mem& image, const size_t* origin) {
  char* begin =
      image.data + origin[2] * image.slice_pitch + origin[1] * image.row_pitch + origin[0] * image.element_bytes;
  return {begin, image.row_pitch, image.slice_pitch};
}

Box HostBox(const Mem& image, const size_t* region, size_t row_pitch, size_t slice_pitch, const void* ptr) {
  Box box{const_cast<char*>(static_cast<const char*>(ptr)), row_pitch, slice_pitch};
  if (image.type == CL_MEM_OBJECT_IMAGE1D_ARRAY && slice_pitch != 0) box.row_pitch = slice_pitch;
  if (box.row_pitch == 0) box.row_pitch = region[0] * image.element_bytes;
  if (box.slice_pitch == 0) box.slice_pitch = box.row_pitch * region[1];
  return box;
}

Mem::~Mem() {
  for (auto it = destructor_callbacks.rbegin(); it != destructor_callbacks.rend(); ++it) {
    it->first(ToHandle(this), it->second);
  }
  if (!owned) return;
  std::free(data);
  ReleaseMemory(size);
}

namespace impl {

cl_mem clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void* host_ptr, cl_int* errcode_ret) {
  return CreateBuffer(context, nullptr, flags, size, host_ptr, errcode_ret);
}

cl_mem clCreateBufferWithProperties(cl_context context, const cl_mem_properties* properties, cl_mem_flags flags,
                                    size_t size, void* host_ptr, cl_int* errcode_ret) {
  return CreateBuffer(context, properties, flags, size, host_ptr, errcode_ret);
}

cl_mem clCreateSubBuffer(cl_mem buffer, cl_mem_flags flags, cl_buffer_create_type buffer_create_type,
                         const void* buffer_create_info, cl_int* errcode_ret) {
  Mem* parent = As<Mem>(buffer);
  if (parent->type != CL_MEM_OBJECT_BUFFER || parent->parent) return Fail(errcode_ret, CL_INVALID_MEM_OBJECT);
  if (buffer_create_type != CL_BUFFER_CREATE_TYPE_REGION) return Fail(errcode_ret, CL_INVALID_VALUE);
  const auto& region = *static_cast<const cl_buffer_region*>(buffer_create_info);
  if (region.size == 0) return Fail(errcode_ret, CL_INVALID_BUFFER_SIZE);
  if (region.origin > parent->size || region.size > parent->size - region.origin)
    return Fail(errcode_ret, CL_INVALID_VALUE);
  if (region.origin % 128 != 0) return Fail(errcode_ret, CL_MISALIGNED_SUB_BUFFER_OFFSET);
  if ((flags & (kHostFlags | CL_MEM_ALLOC_HOST_PTR)) != 0) return Fail(errcode_ret, CL_INVALID_VALUE);
  cl_mem_flags inherited = parent->flags & (kHostFlags | CL_MEM_ALLOC_HOST_PTR);
  if ((flags & kAccessFlags) == 0) inherited |= parent->flags & kAccessFlags;
  if ((flags & kHostAccessFlags) == 0) inherited |= parent->flags & kHostAccessFlags;
  auto* mem = new Mem(parent->context.get(), CL_MEM_OBJECT_BUFFER, flags | inherited);
  mem->parent = Ref<Mem>(parent);
  mem->origin = region.origin;
  mem->size = region.size;
  mem->data = parent->data + region.origin;
  if (parent->host_ptr != nullptr) mem->host_ptr = mem->data;
  return Succeed(errcode_ret, mem);
}

cl_mem clCreateImage(cl_context context, cl_mem_flags flags, const cl_image_format* image_format,
                     const cl_image_desc* image_desc, void* host_ptr, cl_int* errcode_ret) {
  return CreateImage(context, nullptr, flags, *image_format, *image_desc, host_ptr, errcode_ret);
}

cl_mem clCreateImageWithProperties(cl_context context, const cl_mem_properties* properties, cl_mem_flags flags,
                                   const cl_image_format* image_format, const cl_image_desc* image_desc, void* host_ptr,
                                   cl_int* errcode_ret) {
  return CreateImage(context, properties, flags, *image_format, *image_desc, host_ptr, errcode_ret);
}

cl_mem clCreateImage2D(cl_context context, cl_mem_flags flags, const cl_image_format* image_format, size_t image_width,
                       size_t image_height, size_t image_row_pitch, void* host_ptr, cl_int* errcode_ret) {
  cl_image_desc desc{};
  desc.image_type = CL_MEM_OBJECT_IMAGE2D;
  desc.image_width = image_width;
  desc.image_height = image_height;
  desc.image_row_pitch = image_row_pitch;
  return CreateImage(context, nullptr, flags, *image_format, desc, host_ptr, errcode_ret);
}

cl_mem clCreateImage3D(cl_context context, cl_mem_flags flags, const cl_image_format* image_format, size_t image_width,
                       size_t image_height, size_t image_depth, size_t image_row_pitch, size_t image_slice_pitch,
                       void* host_ptr, cl_int* errcode_ret) {
  cl_image_desc desc{};
  desc.image_type = CL_MEM_OBJECT_IMAGE3D;
  desc.image_width = image_width;
  desc.image_height = image_height;
  desc.image_depth = image_depth;
  desc.image_row_pitch = image_row_pitch;
  desc.image_slice_pitch = image_slice_pitch;
  return CreateImage(context, nullptr, flags, *image_format, desc, host_ptr, errcode_ret);
}

cl_int clGetSupportedImageFormats(cl_context, cl_mem_flags flags, cl_mem_object_type image_type, cl_uint num_entries,
                                  cl_image_format* image_formats, cl_uint* num_image_formats) {
  static const std::vector<cl_image_format>& formats = *[] {
    auto* list = new std::vector<cl_image_format>;
    for (const cl_channel_order order : {CL_R, CL_RG, CL_RGBA, CL_BGRA}) {
      for (const cl_channel_type type :
           {CL_UNORM_INT8, CL_SNORM_INT8, CL_SIGNED_INT8, CL_UNSIGNED_INT8, CL_UNORM_INT16, CL_SNORM_INT16,
            CL_SIGNED_INT16, CL_UNSIGNED_INT16, CL_SIGNED_INT32, CL_UNSIGNED_INT32, CL_HALF_FLOAT, CL_FLOAT}) {
        if (order != CL_BGRA || type == CL_UNORM_INT8) list->push_back({order, type});
      }
    }
    return list;
  }();
  const bool known = image_type >= CL_MEM_OBJECT_IMAGE2D && image_type <= CL_MEM_OBJECT_IMAGE1D_BUFFER;
  if (!known || !AtMostOne(flags & kAccessFlags) || (image_formats != nullptr && num_entries == 0))
    return CL_INVALID_VALUE;
  if (image_formats != nullptr)
    std::copy_n(formats.begin(), std::min<size_t>(num_entries, formats.size()), image_formats);
  if (num_image_formats != nullptr) *num_image_formats = static_cast<cl_uint>(formats.size());
  return CL_SUCCESS;
}

cl_int clSetMemObjectDestructorCallback(cl_mem memobj, MemDestructorCallback pfn_notify, void* user_data) {
  Mem& mem = *As<Mem>(memobj);
  const std::lock_guard lock(mem.mutex);
  mem.destructor_callbacks.emplace_back(pfn_notify, user_data);
  return CL_SUCCESS;
}

cl_int clGetMemObjectInfo(cl_mem memobj, cl_mem_info param_name, size_t param_value_size, void* param_value,
                          size_t* param_value_size_ret) {
  const Mem& mem = *As<Mem>(memobj);
  const InfoOut reply(param_value_size, param_value, param_value_size_ret);
  switch (param_name) {
    case CL_MEM_TYPE:
      return reply.Value(mem.type);
    case CL_MEM_FLAGS:
      return reply.Value(mem.flags);
    case CL_MEM_SIZE:
      return reply.Value(mem.size);
    case CL_MEM_HOST_PTR:
      return reply.Value(mem.host_ptr);
    case CL_MEM_MAP_COUNT:
      return reply.Value(cl_uint{mem.maps});
    case CL_MEM_REFERENCE_COUNT:
      return reply.Value(cl_uint{mem.api_refs});
    case CL_MEM_CONTEXT:
      return reply.Value(ToHandle(mem.context.get()));
    case CL_MEM_ASSOCIATED_MEMOBJECT:
      return reply.Value(ToHandle(mem.parent.get()));
    case CL_MEM_OFFSET:
      return reply.Value(mem.origin);
    case CL_MEM_USES_SVM_POINTER:
      return reply.Value(cl_bool{CL_FALSE});
    case CL_MEM_PROPERTIES:
      return reply.Array(mem.property_list);
  }
  return CL_INVALID_VALUE;
}

cl_int clGetImageInfo(cl_mem handle, cl_image_info param_name, size_t param_value_size, void* param_value,
                      size_t* param_value_size_ret) {
  const Mem& image = *As<Mem>(handle);
  if (image.element_bytes == 0) return CL_INVALID_MEM_OBJECT;
  const InfoOut reply(param_value_size, param_value, param_value_size_ret);
  switch (param_name) {
    case CL_IMAGE_FORMAT:
      return reply.Value(image.format);
    case CL_IMAGE_ELEMENT_SIZE:
      return reply.Value(image.element_bytes);
    case CL_IMAGE_ROW_PITCH:
      return reply.Value(image.row_pitch);
    case CL_IMAGE_SLICE_PITCH:
      return reply.Value(ToldSlicePitch(image));
    case CL_IMAGE_WIDTH:
      return reply.Value(size_t{image.desc.image_width});
    case CL_IMAGE_HEIGHT:
      return reply.Value(size_t{image.type == CL_MEM_OBJECT_IMAGE1D_ARRAY ? 0 : image.desc.image_height});
    case CL_IMAGE_DEPTH:
      return reply.Value(size_t{image.type == CL_MEM_OBJECT_IMAGE3D ? image.desc.image_depth : 0});
    case CL_IMAGE_ARRAY_SIZE:
      return reply.Value(size_t{IsArray(image.type) ? image.desc.image_array_size : 0});
    case CL_IMAGE_BUFFER:
      return reply.Value(ToHandle(image.parent.get()));
    case CL_IMAGE_NUM_MIP_LEVELS:
    case CL_IMAGE_NUM_SAMPLES:
      return reply.Value(cl_uint{0});
  }
  return CL_INVALID_VALUE;
}

}  // namespace impl
}  // namespace xpool::null_cl
