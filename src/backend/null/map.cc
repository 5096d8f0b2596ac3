// Maps and migration of the null driver. Device memory is host memory, so a map is a pointer into it.
#include "backend/null/engine.h"
#include "backend/null/memory.h"
#include "opencl/image.h"

namespace xpool::null_cl {
namespace {

// Counts the map of |mem| when the command runs. Returns |pointer|, or nullptr and the error.
void* Map(Queue* queue, Mem* mem, cl_command_type type, const Sync& sync, void* pointer, cl_int* errcode_ret) {
  mem->maps.fetch_add(1);
  const cl_int status = Enqueue(queue, type, sync, [keep = Ref<Mem>(mem)] { return CL_SUCCESS; });
  if (status != CL_SUCCESS) {
    mem->maps.fetch_sub(1);
    return Fail(errcode_ret, status);
  }
  if (errcode_ret != nullptr) *errcode_ret = CL_SUCCESS;
  return pointer;
}

}  // namespace

namespace impl {

void* clEnqueueMapBuffer(cl_command_queue command_queue, cl_mem buffer, cl_bool blocking_map, cl_map_flags map_flags,
                         size_t offset, size_t size, cl_uint num_events_in_wait_list, const cl_event* event_wait_list,
                         cl_event* event, cl_int* errcode_ret) {
  Queue* queue = As<Queue>(command_queue);
  Mem* mem = As<Mem>(buffer);
  constexpr cl_map_flags kKnown = CL_MAP_READ | CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION;
  if (queue->context.get() != mem->context.get()) return Fail(errcode_ret, CL_INVALID_CONTEXT);
  const bool inside = size != 0 && offset <= mem->size && size <= mem->size - offset;
  if (!inside || (map_flags & ~kKnown) != 0) return Fail(errcode_ret, CL_INVALID_VALUE);
  return Map(queue, mem, CL_COMMAND_MAP_BUFFER,
             {num_events_in_wait_list, event_wait_list, event, blocking_map != CL_FALSE}, mem->data + offset,
             errcode_ret);
}

void* clEnqueueMapImage(cl_command_queue command_queue, cl_mem handle, cl_bool blocking_map, cl_map_flags,
                        const size_t* origin, const size_t* region, size_t* image_row_pitch, size_t* image_slice_pitch,
                        cl_uint num_events_in_wait_list, const cl_event* event_wait_list, cl_event* event,
                        cl_int* errcode_ret) {
  Queue* queue = As<Queue>(command_queue);
  Mem* image = As<Mem>(handle);
  if (image->element_bytes == 0) return Fail(errcode_ret, CL_INVALID_MEM_OBJECT);
  if (queue->context.get() != image->context.get()) return Fail(errcode_ret, CL_INVALID_CONTEXT);
  if (!InImage(*image, origin, region)) return Fail(errcode_ret, CL_INVALID_VALUE);
  if (HasSlices(image->type) && image_slice_pitch == nullptr) return Fail(errcode_ret, CL_INVALID_VALUE);
  *image_row_pitch = image->row_pitch;
  if (image_slice_pitch != nullptr) *image_slice_pitch = ToldSlicePitch(*image);
  return Map(queue, image, CL_COMMAND_MAP_IMAGE,
             {num_events_in_wait_list, event_wait_list, event, blocking_map != CL_FALSE},
             ImageBox(*image, origin).begin, errcode_ret);
}

cl_int clEnqueueUnmapMemObject(cl_command_queue command_queue, cl_mem memobj, void* mapped_ptr,
                               cl_uint num_events_in_wait_list, const cl_event* event_wait_list, cl_event* event) {
  Mem* mem = As<Mem>(memobj);
  const auto* pointer = static_cast<const char*>(mapped_ptr);
  if (mem->maps == 0 || pointer < mem->data || pointer >= mem->data + mem->size) return CL_INVALID_VALUE;
  return Enqueue(As<Queue>(command_queue), CL_COMMAND_UNMAP_MEM_OBJECT,
                 {num_events_in_wait_list, event_wait_list, event}, [keep = Ref<Mem>(mem)] {
                   keep->maps.fetch_sub(1);
                   return CL_SUCCESS;
                 });
}

cl_int clEnqueueMigrateMemObjects(cl_command_queue command_queue, cl_uint, const cl_mem*, cl_mem_migration_flags flags,
                                  cl_uint num_events_in_wait_list, const cl_event* event_wait_list, cl_event* event) {
  constexpr cl_mem_migration_flags kKnown = CL_MIGRATE_MEM_OBJECT_HOST | CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED;
  if ((flags & ~kKnown) != 0) return CL_INVALID_VALUE;
  return Enqueue(As<Queue>(command_queue), CL_COMMAND_MIGRATE_MEM_OBJECTS,
                 {num_events_in_wait_list, event_wait_list, event}, [] { return CL_SUCCESS; });
}

}  // namespace impl
}  // namespace xpool::null_cl
