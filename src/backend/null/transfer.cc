// Transfers of the null driver: they really move the bytes of buffers and images.
#include <algorithm>
#include <cstring>

#include "backend/null/engine.h"
#include "backend/null/memory.h"
#include "opencl/pixel.h"

namespace xpool::null_cl {
namespace {

bool InBuffer(const Mem& mem, size_t offset, size_t size) { return offset <= mem.size && size <= mem.size - offset; }

// The layout of a rectangle in linear memory. Fills in pitches of 0 and checks them.
struct Rect {
  Rect(const size_t* origin, const size_t* region, size_t row, size_t slice)
      : row_pitch(row == 0 ? region[0] : row), slice_pitch(slice == 0 ? row_pitch * region[1] : slice) {
    offset = origin[2] * slice_pitch + origin[1] * row_pitch + origin[0];
    end = offset + (region[2] - 1) * slice_pitch + (region[1] - 1) * row_pitch + region[0];
    valid = region[0] != 0 && region[1] != 0 && region[2] != 0 && row_pitch >= region[0] &&
            slice_pitch >= row_pitch * region[1];
  }

  Box In(char* base) const { return {base + offset, row_pitch, slice_pitch}; }

  size_t row_pitch;
  size_t slice_pitch;
  size_t offset = 0;
  size_t end = 0;
  bool valid = false;
};

bool SameContext(const Queue& queue, const Mem& mem) { return queue.context.get() == mem.context.get(); }

Triple Copy3(const size_t* values) { return {values[0], values[1], values[2]}; }

// Enqueues the copy of a box; |keep| are the objects that it needs.
cl_int EnqueueCopy(Queue* queue, cl_command_type type, const Sync& sync, const Box& to, const Box& from,
                   const Triple& bytes_rows_slices, Ref<Mem> first, Ref<Mem> second = {}) {
  return Enqueue(queue, type, sync, [=, first = std::move(first), second = std::move(second)] {
    CopyBox(to, from, bytes_rows_slices[0], bytes_rows_slices[1], bytes_rows_slices[2]);
    return CL_SUCCESS;
  });
}

struct RectArgs {
  const size_t* buffer_origin;
  const size_t* host_origin;
  const size_t* region;
  size_t buffer_row_pitch;
  size_t buffer_slice_pitch;
  size_t host_row_pitch;
  size_t host_slice_pitch;
};

cl_int BufferRect(cl_command_queue command_queue, cl_mem buffer, const RectArgs& args, const void* ptr, bool read,
                  const Sync& sync) {
  Queue* queue = As<Queue>(command_queue);
  Mem* mem = As<Mem>(buffer);
  if (!SameContext(*queue, *mem)) return CL_INVALID_CONTEXT;
  const Rect inside(args.buffer_origin, args.region, args.buffer_row_pitch, args.buffer_slice_pitch);
  const Rect outside(args.host_origin, args.region, args.host_row_pitch, args.host_slice_pitch);
  if (!inside.valid || !outside.valid || inside.end > mem->size) return CL_INVALID_VALUE;
  const Box device = inside.In(mem->data);
  const Box host = outside.In(const_cast<char*>(static_cast<const char*>(ptr)));
  return EnqueueCopy(queue, read ? CL_COMMAND_READ_BUFFER_RECT : CL_COMMAND_WRITE_BUFFER_RECT, sync,
                     read ? host : device, read ? device : host, Copy3(args.region), Ref<Mem>(mem));
}

cl_int ImageTransfer(cl_command_queue command_queue, cl_mem handle, const size_t* origin, const size_t* region,
                     size_t row_pitch, size_t slice_pitch, const void* ptr, bool read, const Sync& sync) {
  Queue* queue = As<Queue>(command_queue);
  Mem* image = As<Mem>(handle);
  if (image->element_bytes == 0) return CL_INVALID_MEM_OBJECT;
  if (!SameContext(*queue, *image)) return CL_INVALID_CONTEXT;
  if (!InImage(*image, origin, region)) return CL_INVALID_VALUE;
  if (row_pitch != 0 && row_pitch < region[0] * image->element_bytes) return CL_INVALID_VALUE;
  const Box device = ImageBox(*image, origin);
  const Box host = HostBox(*image, region, row_pitch, slice_pitch, ptr);
  const Triple size = {region[0] * image->element_bytes, region[1], region[2]};
  return EnqueueCopy(queue, read ? CL_COMMAND_READ_IMAGE : CL_COMMAND_WRITE_IMAGE, sync, read ? host : device,
                     read ? device : host, size, Ref<Mem>(image));
}

// Between an image and the tightly packed bytes of a buffer.
cl_int ImageAndBuffer(cl_command_queue command_queue, cl_mem image_handle, cl_mem buffer_handle, const size_t* origin,
                      const size_t* region, size_t offset, bool to_buffer, const Sync& sync) {
  Queue* queue = As<Queue>(command_queue);
  Mem* image = As<Mem>(image_handle);
  Mem* buffer = As<Mem>(buffer_handle);
  if (image->element_bytes == 0 || buffer->type != CL_MEM_OBJECT_BUFFER) return CL_INVALID_MEM_OBJECT;
  if (!SameContext(*queue, *image) || !SameContext(*queue, *buffer)) return CL_INVALID_CONTEXT;
  const size_t row = region[0] * image->element_bytes;
  if (!InImage(*image, origin, region) || !InBuffer(*buffer, offset, row * region[1] * region[2]))
    return CL_INVALID_VALUE;
  const Box linear{buffer->data + offset, row, row * region[1]};
  const Box device = ImageBox(*image, origin);
  return EnqueueCopy(queue, to_buffer ? CL_COMMAND_COPY_IMAGE_TO_BUFFER : CL_COMMAND_COPY_BUFFER_TO_IMAGE, sync,
                     to_buffer ? linear : device, to_buffer ? device : linear, {row, region[1], region[2]},
                     Ref<Mem>(image), Ref<Mem>(buffer));
}

// The bytes of a pixel of |image| for a fill colour. Normalised formats are scaled; floats keep their bits.
std::vector<char> FillPixel(const Mem& image, const void* color) {
  const cl_channel_type type = image.format.image_channel_data_type;
  const size_t channels = ChannelCount(image.format.image_channel_order);
  const size_t bytes = image.element_bytes / channels;
  std::vector<char> pixel(image.element_bytes);
  for (size_t i = 0; i < channels; ++i) {
    uint32_t value;
    float number;
    std::memcpy(&value, static_cast<const char*>(color) + i * 4, 4);
    std::memcpy(&number, &value, 4);
    if (type == CL_UNORM_INT8) value = static_cast<uint32_t>(number * 255 + 0.5f);
    if (type == CL_UNORM_INT16) value = static_cast<uint32_t>(number * 65535 + 0.5f);
    if (type == CL_SNORM_INT8) value = static_cast<uint32_t>(static_cast<int32_t>(number * 127));
    if (type == CL_SNORM_INT16) value = static_cast<uint32_t>(static_cast<int32_t>(number * 32767));
    std::memcpy(pixel.data() + i * bytes, &value, bytes);  // little-endian: the low bytes
  }
  return pixel;
}

}  // namespace

namespace impl {

cl_int clEnqueueReadBuffer(cl_command_queue command_queue, cl_mem buffer, cl_bool blocking_read, size_t offset,
                           size_t size, void* ptr, cl_uint num_events_in_wait_list, const cl_event* event_wait_list,
                           cl_event* event) {
  Queue* queue = As<Queue>(command_queue);
  Mem* mem = As<Mem>(buffer);
  if (!SameContext(*queue, *mem)) return CL_INVALID_CONTEXT;
  if (size == 0 || !InBuffer(*mem, offset, size)) return CL_INVALID_VALUE;
  return EnqueueCopy(queue, CL_COMMAND_READ_BUFFER,
                     {num_events_in_wait_list, event_wait_list, event, blocking_read != CL_FALSE},
                     {static_cast<char*>(ptr), 0, 0}, {mem->data + offset, 0, 0}, {size, 1, 1}, Ref<Mem>(mem));
}

cl_int clEnqueueWriteBuffer(cl_command_queue command_queue, cl_mem buffer, cl_bool blocking_write, size_t offset,
                            size_t size, const void* ptr, cl_uint num_events_in_wait_list,
                            const cl_event* event_wait_list, cl_event* event) {
  Queue* queue = As<Queue>(command_queue);
  Mem* mem = As<Mem>(buffer);
  if (!SameContext(*queue, *mem)) return CL_INVALID_CONTEXT;
  if (size == 0 || !InBuffer(*mem, offset, size)) return CL_INVALID_VALUE;
  return EnqueueCopy(queue, CL_COMMAND_WRITE_BUFFER,
                     {num_events_in_wait_list, event_wait_list, event, blocking_write != CL_FALSE},
                     {mem->data + offset, 0, 0}, {const_cast<char*>(static_cast<const char*>(ptr)), 0, 0}, {size, 1, 1},
                     Ref<Mem>(mem));
}

cl_int clEnqueueReadBufferRect(cl_command_queue command_queue, cl_mem buffer, cl_bool blocking_read,
                               const size_t* buffer_origin, const size_t* host_origin, const size_t* region,
                               size_t buffer_row_pitch, size_t buffer_slice_pitch, size_t host_row_pitch,
                               size_t host_slice_pitch, void* ptr, cl_uint num_events_in_wait_list,
                               const cl_event* event_wait_list, cl_event* event) {
  return BufferRect(
      command_queue, buffer,
      {buffer_origin, host_origin, region, buffer_row_pitch, buffer_slice_pitch, host_row_pitch, host_slice_pitch}, ptr,
      true, {num_events_in_wait_list, event_wait_list, event, blocking_read != CL_FALSE});
}

cl_int clEnqueueWriteBufferRect(cl_command_queue command_queue, cl_mem buffer, cl_bool blocking_write,
                                const size_t* buffer_origin, const size_t* host_origin, const size_t* region,
                                size_t buffer_row_pitch, size_t buffer_slice_pitch, size_t host_row_pitch,
                                size_t host_slice_pitch, const void* ptr, cl_uint num_events_in_wait_list,
                                const cl_event* event_wait_list, cl_event* event) {
  return BufferRect(
      command_queue, buffer,
      {buffer_origin, host_origin, region, buffer_row_pitch, buffer_slice_pitch, host_row_pitch, host_slice_pitch}, ptr,
      false, {num_events_in_wait_list, event_wait_list, event, blocking_write != CL_FALSE});
}

cl_int clEnqueueFillBuffer(cl_command_queue command_queue, cl_mem buffer, const void* pattern, size_t pattern_size,
                           size_t offset, size_t size, cl_uint num_events_in_wait_list, const cl_event* event_wait_list,
                           cl_event* event) {
  Queue* queue = As<Queue>(command_queue);
  Mem* mem = As<Mem>(buffer);
  if (!SameContext(*queue, *mem)) return CL_INVALID_CONTEXT;
  const bool power = pattern_size >= 1 && pattern_size <= 128 && (pattern_size & (pattern_size - 1)) == 0;
  if (!power || offset % pattern_size != 0 || size % pattern_size != 0) return CL_INVALID_VALUE;
  if (size == 0 || !InBuffer(*mem, offset, size)) return CL_INVALID_VALUE;
  const auto* bytes = static_cast<const char*>(pattern);
  return Enqueue(
      queue, CL_COMMAND_FILL_BUFFER, {num_events_in_wait_list, event_wait_list, event},
      [keep = Ref<Mem>(mem), to = mem->data + offset, size, copy = std::vector<char>(bytes, bytes + pattern_size)] {
        for (size_t at = 0; at < size; at += copy.size()) std::memcpy(to + at, copy.data(), copy.size());
        return CL_SUCCESS;
      });
}

cl_int clEnqueueCopyBuffer(cl_command_queue command_queue, cl_mem src_buffer, cl_mem dst_buffer, size_t src_offset,
                           size_t dst_offset, size_t size, cl_uint num_events_in_wait_list,
                           const cl_event* event_wait_list, cl_event* event) {
  Queue* queue = As<Queue>(command_queue);
  Mem* from = As<Mem>(src_buffer);
  Mem* to = As<Mem>(dst_buffer);
  if (!SameContext(*queue, *from) || !SameContext(*queue, *to)) return CL_INVALID_CONTEXT;
  if (size == 0 || !InBuffer(*from, src_offset, size) || !InBuffer(*to, dst_offset, size)) return CL_INVALID_VALUE;
  const size_t distance = std::max(src_offset, dst_offset) - std::min(src_offset, dst_offset);
  if (from == to && distance < size) return CL_MEM_COPY_OVERLAP;
  return EnqueueCopy(queue, CL_COMMAND_COPY_BUFFER, {num_events_in_wait_list, event_wait_list, event},
                     {to->data + dst_offset, 0, 0}, {from->data + src_offset, 0, 0}, {size, 1, 1}, Ref<Mem>(from),
                     Ref<Mem>(to));
}

cl_int clEnqueueCopyBufferRect(cl_command_queue command_queue, cl_mem src_buffer, cl_mem dst_buffer,
                               const size_t* src_origin, const size_t* dst_origin, const size_t* region,
                               size_t src_row_pitch, size_t src_slice_pitch, size_t dst_row_pitch,
                               size_t dst_slice_pitch, cl_uint num_events_in_wait_list, const cl_event* event_wait_list,
                               cl_event* event) {
  Queue* queue = As<Queue>(command_queue);
  Mem* from = As<Mem>(src_buffer);
  Mem* to = As<Mem>(dst_buffer);
  if (!SameContext(*queue, *from) || !SameContext(*queue, *to)) return CL_INVALID_CONTEXT;
  const Rect source(src_origin, region, src_row_pitch, src_slice_pitch);
  const Rect target(dst_origin, region, dst_row_pitch, dst_slice_pitch);
  if (!source.valid || !target.valid || source.end > from->size || target.end > to->size) return CL_INVALID_VALUE;
  return EnqueueCopy(queue, CL_COMMAND_COPY_BUFFER_RECT, {num_events_in_wait_list, event_wait_list, event},
                     target.In(to->data), source.In(from->data), Copy3(region), Ref<Mem>(from), Ref<Mem>(to));
}

cl_int clEnqueueReadImage(cl_command_queue command_queue, cl_mem image, cl_bool blocking_read, const size_t* origin,
                          const size_t* region, size_t row_pitch, size_t slice_pitch, void* ptr,
                          cl_uint num_events_in_wait_list, const cl_event* event_wait_list, cl_event* event) {
  return ImageTransfer(command_queue, image, origin, region, row_pitch, slice_pitch, ptr, true,
                       {num_events_in_wait_list, event_wait_list, event, blocking_read != CL_FALSE});
}

cl_int clEnqueueWriteImage(cl_command_queue command_queue, cl_mem image, cl_bool blocking_write, const size_t* origin,
                           const size_t* region, size_t input_row_pitch, size_t input_slice_pitch, const void* ptr,
                           cl_uint num_events_in_wait_list, const cl_event* event_wait_list, cl_event* event) {
  return ImageTransfer(command_queue, image, origin, region, input_row_pitch, input_slice_pitch, ptr, false,
                       {num_events_in_wait_list, event_wait_list, event, blocking_write != CL_FALSE});
}

cl_int clEnqueueFillImage(cl_command_queue command_queue, cl_mem handle, const void* fill_color, const size_t* origin,
                          const size_t* region, cl_uint num_events_in_wait_list, const cl_event* event_wait_list,
                          cl_event* event) {
  Queue* queue = As<Queue>(command_queue);
  Mem* image = As<Mem>(handle);
  if (image->element_bytes == 0) return CL_INVALID_MEM_OBJECT;
  if (!SameContext(*queue, *image)) return CL_INVALID_CONTEXT;
  if (!InImage(*image, origin, region)) return CL_INVALID_VALUE;
  return Enqueue(queue, CL_COMMAND_FILL_IMAGE, {num_events_in_wait_list, event_wait_list, event},
                 [keep = Ref<Mem>(image), box = ImageBox(*image, origin), size = Copy3(region),
                  pixel = FillPixel(*image, fill_color)] {
                   std::vector<char> row;
                   for (size_t x = 0; x < size[0]; ++x) row.insert(row.end(), pixel.begin(), pixel.end());
                   CopyBox(box, {row.data(), 0, 0}, row.size(), size[1], size[2]);
                   return CL_SUCCESS;
                 });
}

cl_int clEnqueueCopyImage(cl_command_queue command_queue, cl_mem src_image, cl_mem dst_image, const size_t* src_origin,
                          const size_t* dst_origin, const size_t* region, cl_uint num_events_in_wait_list,
                          const cl_event* event_wait_list, cl_event* event) {
  Queue* queue = As<Queue>(command_queue);
  Mem* from = As<Mem>(src_image);
  Mem* to = As<Mem>(dst_image);
  if (from->element_bytes == 0 || to->element_bytes == 0) return CL_INVALID_MEM_OBJECT;
  if (!SameContext(*queue, *from) || !SameContext(*queue, *to)) return CL_INVALID_CONTEXT;
  if (std::memcmp(&from->format, &to->format, sizeof(cl_image_format)) != 0) return CL_IMAGE_FORMAT_MISMATCH;
  if (!InImage(*from, src_origin, region) || !InImage(*to, dst_origin, region)) return CL_INVALID_VALUE;
  return EnqueueCopy(queue, CL_COMMAND_COPY_IMAGE, {num_events_in_wait_list, event_wait_list, event},
                     ImageBox(*to, dst_origin), ImageBox(*from, src_origin),
                     {region[0] * from->element_bytes, region[1], region[2]}, Ref<Mem>(from), Ref<Mem>(to));
}

cl_int clEnqueueCopyImageToBuffer(cl_command_queue command_queue, cl_mem src_image, cl_mem dst_buffer,
                                  const size_t* src_origin, const size_t* region, size_t dst_offset,
                                  cl_uint num_events_in_wait_list, const cl_event* event_wait_list, cl_event* event) {
  return ImageAndBuffer(command_queue, src_image, dst_buffer, src_origin, region, dst_offset, true,
                        {num_events_in_wait_list, event_wait_list, event});
}

cl_int clEnqueueCopyBufferToImage(cl_command_queue command_queue, cl_mem src_buffer, cl_mem dst_image,
                                  size_t src_offset, const size_t* dst_origin, const size_t* region,
                                  cl_uint num_events_in_wait_list, const cl_event* event_wait_list, cl_event* event) {
  return ImageAndBuffer(command_queue, dst_image, src_buffer, dst_origin, region, src_offset, false,
                        {num_events_in_wait_list, event_wait_list, event});
}

}  // namespace impl
}  // namespace xpool::null_cl
