// Entry points that map and unmap memory objects. A map that cannot go to the driver at once must return a pointer all
// the same: into the program's own memory for CL_MEM_USE_HOST_PTR, into staging memory otherwise (map_table.h).
#include "generated/opencl/hooks.h"
#include "opencl/image.h"
#include "shim/opencl/command_work.h"
#include "shim/opencl/map_staged.h"
#include "shim/opencl/map_table.h"
#include "shim/opencl/queue_enqueue.h"
#include "shim/opencl/result.h"
#include "shim/opencl/triple.h"
#include "shim/opencl/validate_buffer.h"
#include "shim/opencl/validate_image.h"

namespace xpool::cl::hook {
namespace {

constexpr cl_map_flags kWriting = CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION;

// Makes |forward| fill |staging|, and lists the mapping.
void RecordStaged(Queue* queue, Mem* mem, cl_map_flags map_flags, std::shared_ptr<Staging> staging,
                  ForwardFn* forward) {
  staging->writes = (map_flags & kWriting) != 0;
  staging->invalidates = (map_flags & CL_MAP_WRITE_INVALIDATE_REGION) != 0;
  AddMapping(*mem, staging->data, staging);
  *forward = [queue, keep = Ref<Mem>(mem), staging = std::move(staging)](cl_command_queue, cl_uint count,
                                                                         const cl_event* events, cl_event* done) {
    return FillStaging(*queue, *keep, staging, count, events, done);
  };
}

// A map by the program that is being recorded.
struct BufferMap {
  Queue* queue;
  Mem* mem;
  cl_map_flags flags;
  size_t offset, size;
};

cl_int CheckMapBuffer(const BufferMap& map) {
  const BufferFacts facts = FactsOf(*map.mem, map.queue->limits);
  if (!InBounds(map.offset, map.size, facts.size)) return CL_INVALID_VALUE;
  const cl_int invalid = CheckMapFlags(map.flags, facts.flags);
  if (invalid != CL_SUCCESS) return invalid;
  return facts.misaligned ? CL_MISALIGNED_SUB_BUFFER_OFFSET : CL_SUCCESS;
}

cl_int RecordMapBuffer(const BufferMap& map, void** pointer, ForwardFn* forward) {
  if (map.mem->host_ptr != nullptr) {
    *pointer = static_cast<unsigned char*>(map.mem->host_ptr) + map.offset;
    AddMapping(*map.mem, *pointer, nullptr);
    *forward = [map, keep = Ref<Mem>(map.mem)](cl_command_queue on, cl_uint count, const cl_event* events,
                                               cl_event* done) {
      cl_int status = CL_SUCCESS;
      map.queue->api->clEnqueueMapBuffer(on, map.mem->driver, CL_FALSE, map.flags, map.offset, map.size, count, events,
                                         done, &status);
      return status;
    };
    return CL_SUCCESS;
  }
  std::shared_ptr<Staging> staging = Staging::Make(map.size);
  if (staging == nullptr) return CL_OUT_OF_HOST_MEMORY;
  staging->origin[0] = map.offset;
  staging->region[0] = map.size;
  *pointer = staging->data;
  RecordStaged(map.queue, map.mem, map.flags, std::move(staging), forward);
  return CL_SUCCESS;
}

struct ImageMap {
  Queue* queue;
  Mem* mem;
  cl_map_flags flags;
  const size_t* origin;
  const size_t* region;
  size_t* row_pitch;    // both are set
  size_t* slice_pitch;  // may be NULL where the image has no slices
};

// The program's memory is the mapping: the driver's map says when it is up to date.
void RecordMapOwnImage(const ImageMap& map, const ImageFacts& facts, void** pointer, ForwardFn* forward) {
  const cl_image_desc& desc = map.mem->desc;
  *pointer = static_cast<unsigned char*>(map.mem->host_ptr) + PixelOffset(desc, facts.element_bytes, map.origin);
  *map.row_pitch = desc.image_row_pitch;
  if (map.slice_pitch != nullptr) *map.slice_pitch = facts.has_slices ? desc.image_slice_pitch : 0;
  AddMapping(*map.mem, *pointer, nullptr);
  *forward = [queue = map.queue, flags = map.flags, keep = Ref<Mem>(map.mem), origin = CopyOf(map.origin),
              region = CopyOf(map.region)](cl_command_queue on, cl_uint count, const cl_event* events, cl_event* done) {
    cl_int status = CL_SUCCESS;
    size_t row_pitch = 0, slice_pitch = 0;
    queue->api->clEnqueueMapImage(on, keep->driver, CL_FALSE, flags, origin.data(), region.data(), &row_pitch,
                                  &slice_pitch, count, events, done, &status);
    return status;
  };
}

cl_int CheckMapImage(const ImageMap& map) {
  const ImageFacts facts = ImageFactsOf(*map.mem, map.queue->limits);
  cl_int invalid = CheckRegion(facts, map.origin, map.region);
  if (invalid == CL_SUCCESS) invalid = CheckMapFlags(map.flags, facts.flags);
  if (invalid != CL_SUCCESS) return invalid;
  const bool pitches = map.row_pitch != nullptr && (!facts.has_slices || map.slice_pitch != nullptr);
  return pitches ? CL_SUCCESS : CL_INVALID_VALUE;
}

cl_int RecordMapImage(const ImageMap& map, void** pointer, ForwardFn* forward) {
  const ImageFacts facts = ImageFactsOf(*map.mem, map.queue->limits);
  if (map.mem->host_ptr != nullptr) {
    RecordMapOwnImage(map, facts, pointer, forward);
    return CL_SUCCESS;
  }
  std::shared_ptr<Staging> staging = Staging::Make(RegionBytes(facts, map.region));
  if (staging == nullptr) return CL_OUT_OF_HOST_MEMORY;
  staging->origin = CopyOf(map.origin);
  staging->region = CopyOf(map.region);
  staging->row_pitch = map.region[0] * facts.element_bytes;
  if (facts.has_slices) staging->slice_pitch = staging->row_pitch * (facts.dimensions == 3 ? map.region[1] : 1);
  *map.row_pitch = staging->row_pitch;
  if (map.slice_pitch != nullptr) *map.slice_pitch = staging->slice_pitch;
  *pointer = staging->data;
  RecordStaged(map.queue, map.mem, map.flags, std::move(staging), forward);
  return CL_SUCCESS;
}

// How both map calls end: a map that failed is not listed.
void* Finish(Mem& mem, cl_int status, void* pointer, cl_int* errcode_ret) {
  SetError(errcode_ret, status);
  if (status == CL_SUCCESS) return pointer;
  if (pointer != nullptr) RemoveMapping(mem, pointer);
  return nullptr;
}

}  // namespace

void* clEnqueueMapBuffer(cl_command_queue command_queue, cl_mem buffer, cl_bool blocking_map, cl_map_flags map_flags,
                         size_t offset, size_t size, cl_uint num_events_in_wait_list, const cl_event* event_wait_list,
                         cl_event* event, cl_int* errcode_ret) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return Fail(errcode_ret, CL_INVALID_COMMAND_QUEUE);
  cl_int status = CL_SUCCESS;
  Mem* mem = UsableBuffer(*queue, buffer, &status);
  if (mem == nullptr) return Fail(errcode_ret, status);
  const EnqueueArgs args{.type = CL_COMMAND_MAP_BUFFER,
                         .num_events = num_events_in_wait_list,
                         .wait_list = event_wait_list,
                         .event = event,
                         .work = TransferWork(CL_COMMAND_MAP_BUFFER, size),
                         .blocking = blocking_map != CL_FALSE};
  void* pointer = nullptr;
  status = Enqueue(
      *queue, args,
      [&](const DispatchTable& api, cl_command_queue on, cl_uint count, const cl_event* events, cl_event* done) {
        cl_int code = CL_SUCCESS;
        pointer =
            api.clEnqueueMapBuffer(on, mem->driver, CL_FALSE, map_flags, offset, size, count, events, done, &code);
        if (code == CL_SUCCESS) AddMapping(*mem, pointer, nullptr);
        return code;
      },
      [&] {
        return CheckMapBuffer({queue, mem, map_flags, offset, size});
      },
      [&](ForwardFn* forward) {
        return RecordMapBuffer({queue, mem, map_flags, offset, size}, &pointer, forward);
      });
  return Finish(*mem, status, pointer, errcode_ret);
}

void* clEnqueueMapImage(cl_command_queue command_queue, cl_mem image, cl_bool blocking_map, cl_map_flags map_flags,
                        const size_t* origin, const size_t* region, size_t* image_row_pitch, size_t* image_slice_pitch,
                        cl_uint num_events_in_wait_list, const cl_event* event_wait_list, cl_event* event,
                        cl_int* errcode_ret) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return Fail(errcode_ret, CL_INVALID_COMMAND_QUEUE);
  cl_int status = CL_SUCCESS;
  Mem* mem = UsableImage(*queue, image, &status);
  if (mem == nullptr) return Fail(errcode_ret, status);
  const EnqueueArgs args{.type = CL_COMMAND_MAP_IMAGE,
                         .num_events = num_events_in_wait_list,
                         .wait_list = event_wait_list,
                         .event = event,
                         .work = RegionWork(CL_COMMAND_MAP_IMAGE, region, mem->element_bytes),
                         .blocking = blocking_map != CL_FALSE};
  void* pointer = nullptr;
  status = Enqueue(
      *queue, args,
      [&](const DispatchTable& api, cl_command_queue on, cl_uint count, const cl_event* events, cl_event* done) {
        cl_int code = CL_SUCCESS;
        pointer = api.clEnqueueMapImage(on, mem->driver, CL_FALSE, map_flags, origin, region, image_row_pitch,
                                        image_slice_pitch, count, events, done, &code);
        if (code == CL_SUCCESS) AddMapping(*mem, pointer, nullptr);
        return code;
      },
      [&] {
        return CheckMapImage({queue, mem, map_flags, origin, region, image_row_pitch, image_slice_pitch});
      },
      [&](ForwardFn* forward) {
        return RecordMapImage({queue, mem, map_flags, origin, region, image_row_pitch, image_slice_pitch}, &pointer,
                              forward);
      });
  return Finish(*mem, status, pointer, errcode_ret);
}

cl_int clEnqueueUnmapMemObject(cl_command_queue command_queue, cl_mem memobj, void* mapped_ptr,
                               cl_uint num_events_in_wait_list, const cl_event* event_wait_list, cl_event* event) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  cl_int status = CL_SUCCESS;
  Mem* mem = UsableMem(*queue, memobj, &status);
  if (mem == nullptr) return status;
  const std::optional<MapTable::Entry> mapping = FindMapping(*mem, mapped_ptr);
  const std::shared_ptr<Staging> staging = mapping.has_value() ? mapping->staging : nullptr;
  const EnqueueArgs args{
      .type = CL_COMMAND_UNMAP_MEM_OBJECT,
      .num_events = num_events_in_wait_list,
      .wait_list = event_wait_list,
      .event = event,
      .work = staging != nullptr ? TransferWork(CL_COMMAND_UNMAP_MEM_OBJECT, mem->size) : SyncWork()};
  const auto call = [queue, mem, staging, mapped_ptr](const DispatchTable& api, cl_command_queue on, cl_uint count,
                                                      const cl_event* events, cl_event* done) {
    if (staging != nullptr) return WriteBackStaging(*queue, *mem, staging, count, events, done);
    return api.clEnqueueUnmapMemObject(on, mem->driver, mapped_ptr, count, events, done);
  };
  status = Enqueue(
      *queue, args, call, [&] { return cl_int{mapping.has_value() ? CL_SUCCESS : CL_INVALID_VALUE}; },
      [&](ForwardFn* forward) {
        *forward = [call, api = queue->api, keep = Ref<Mem>(mem)](auto... rest) { return call(*api, rest...); };
        return cl_int{CL_SUCCESS};
      });
  if (status == CL_SUCCESS) RemoveMapping(*mem, mapped_ptr);
  return status;
}

}  // namespace xpool::cl::hook
