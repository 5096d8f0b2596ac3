// Mapping: memory of the program stands in for the mapped region. It is filled when it is mapped for reading, and what
// the program has written goes back when it is unmapped. A memory object over the program's own memory
// (CL_MEM_USE_HOST_PTR) is mapped there.

#include "backend/remote/calls.h"
#include "backend/remote/coherence.h"
#include "opencl/image.h"

namespace xpool::remote {

using wire_cl::CallId;
using wire_cl::Encoder;
using wire_cl::HostLayout;

namespace {

void Add(Mem* mem, HostMapping mapping) {
  MutexLock lock(&mem->mutex);
  mem->mappings.push_back(std::move(mapping));
}

// Takes the mapping at |pointer| out.
HostMapping Take(Mem* mem, const void* pointer) {
  MutexLock lock(&mem->mutex);
  const auto found = mem->FindMapping(pointer);
  if (found == mem->mappings.end()) return {};
  HostMapping taken = std::move(*found);
  mem->mappings.erase(found);
  return taken;
}

// What a map with |flags| does to what it maps.
Use UseOf(cl_map_flags flags) {
  if ((flags & CL_MAP_WRITE_INVALIDATE_REGION) != 0) return Use::kReplaces;
  return (flags & CL_MAP_WRITE) != 0 ? Use::kChanges : Use::kReads;
}

// Maps by |encode|(call, event), if what came before has |status|; what the program sees is in |mapping| afterwards.
template <typename Encode>
void* Map(Queue* queue, CallId id, cl_mem mem, cl_int status, cl_map_flags flags, HostMapping mapping, cl_event* event,
          cl_int* errcode_ret, const Encode& encode) {
  const bool filled = (flags & CL_MAP_WRITE_INVALIDATE_REGION) == 0;
  if (status == CL_SUCCESS) {
    status = filled ? EnqueueForData(queue, id, event, encode, &mapping) : Enqueue(queue, id, event, encode, &mapping);
  }
  if (errcode_ret != nullptr) *errcode_ret = status;
  if (status != CL_SUCCESS) return nullptr;
  mapping.link = queue->link;
  void* const data = mapping.data;
  Add(From<Mem>(mem), std::move(mapping));
  return data;
}

void* CL_API_CALL MapBuffer(cl_command_queue queue, cl_mem buffer, cl_bool, cl_map_flags flags, size_t offset,
                            size_t size, cl_uint num_events, const cl_event* events, cl_event* event,
                            cl_int* errcode_ret) {
  const Mem& mem = *From<Mem>(buffer);
  HostMapping mapping;
  if (mem.host_ptr != nullptr) {
    mapping.data = static_cast<char*>(mem.host_ptr) + offset;
    mapping.layout = wire_cl::DenseLayout(size);
  }
  const cl_int ready = Prepare(From<Queue>(queue), buffer, UseOf(flags), offset, size);
  return Map(From<Queue>(queue), CallId::clEnqueueMapBuffer, buffer, ready, flags, mapping, event, errcode_ret,
             [&](Encoder& call, cl_event* wanted) {
               return wire_cl::EncodeCall_clEnqueueMapBuffer(queue, buffer, CL_FALSE, flags, offset, size, num_events,
                                                             events, wanted, nullptr, call);
             });
}

void* CL_API_CALL MapImage(cl_command_queue queue, cl_mem image, cl_bool, cl_map_flags flags, const size_t* origin,
                           const size_t* region, size_t* row_pitch, size_t* slice_pitch, cl_uint num_events,
                           const cl_event* events, cl_event* event, cl_int* errcode_ret) {
  const Mem& mem = *From<Mem>(image);
  HostMapping mapping;
  if (mem.host_ptr != nullptr) {
    const wire_cl::ImageShape shape{mem.type, mem.element_bytes, false};
    const absl::StatusOr<HostLayout> layout =
        wire_cl::ImageRegionLayout(shape, region, mem.desc.image_row_pitch, mem.desc.image_slice_pitch);
    if (!layout.ok()) {
      if (errcode_ret != nullptr) *errcode_ret = CL_INVALID_VALUE;
      return nullptr;
    }
    mapping.data = static_cast<char*>(mem.host_ptr) + PixelOffset(mem.desc, mem.element_bytes, origin);
    mapping.layout = *layout;
  }
  // Of an image as a whole, no region is replaced.
  const Use use = UseOf(flags) == Use::kReads ? Use::kReads : Use::kChanges;
  const cl_int ready = Prepare(From<Queue>(queue), image, use);
  return Map(From<Queue>(queue), CallId::clEnqueueMapImage, image, ready, flags, mapping, event, errcode_ret,
             [&](Encoder& call, cl_event* wanted) {
               return wire_cl::EncodeCall_clEnqueueMapImage(queue, image, CL_FALSE, flags, origin, region, row_pitch,
                                                            slice_pitch, num_events, events, wanted, nullptr, call);
             });
}

// Where |pointer| is mapped; |queue|'s own node if it is not.
ClLink* LinkOf(const Queue& queue, Mem* mem, const void* pointer) {
  MutexLock lock(&mem->mutex);
  const auto found = mem->FindMapping(pointer);
  return found == mem->mappings.end() ? queue.link : found->link;
}

cl_int CL_API_CALL Unmap(cl_command_queue queue, cl_mem mem, void* pointer, cl_uint num_events, const cl_event* events,
                         cl_event* event);

// What was mapped at another node than |queue|'s goes back there, before this returns.
cl_int UnmapElsewhere(Queue* queue, ClLink* link, cl_mem mem, void* pointer, cl_uint num_events, const cl_event* events,
                      cl_event* event) {
  const cl::DispatchTable& api = RemotePlatform::Api();
  Queue* const mover = MoverOf(queue->context.get(), link);
  if (mover == nullptr) return CL_OUT_OF_RESOURCES;
  cl_int status = num_events == 0 ? CL_SUCCESS : api.clWaitForEvents(num_events, events);
  cl_event unmapped = nullptr;
  if (status == CL_SUCCESS) status = Unmap(To<cl_command_queue>(mover), mem, pointer, 0, nullptr, &unmapped);
  if (status != CL_SUCCESS) return status;
  status = api.clWaitForEvents(1, &unmapped);
  api.clReleaseEvent(unmapped);
  if (status != CL_SUCCESS || event == nullptr) return status;
  return api.clEnqueueMarkerWithWaitList(To<cl_command_queue>(queue), num_events, events, event);
}

cl_int CL_API_CALL Unmap(cl_command_queue queue, cl_mem mem, void* pointer, cl_uint num_events, const cl_event* events,
                         cl_event* event) {
  Queue* const own = From<Queue>(queue);
  if (ClLink* const link = LinkOf(*own, From<Mem>(mem), pointer); link != own->link)
    return UnmapElsewhere(own, link, mem, pointer, num_events, events, event);
  const cl_int status = Enqueue(own, CallId::clEnqueueUnmapMemObject, event, [&](Encoder& call, cl_event* wanted) {
    return wire_cl::EncodeCall_clEnqueueUnmapMemObject(queue, mem, pointer, num_events, events, wanted, call);
  });
  if (status != CL_SUCCESS) return status;
  const HostMapping mapping = Take(From<Mem>(mem), pointer);
  // The program may use its own memory as soon as this returns; memory of ours lasts until it has been sent.
  if (mapping.owned == nullptr) return own->link->SendPending();
  own->link->SendPendingLater([keep = mapping.owned] {});
  return CL_SUCCESS;
}

}  // namespace

void FillMapCalls(cl::DispatchTable* table) {
  table->clEnqueueMapBuffer = &MapBuffer;
  table->clEnqueueMapImage = &MapImage;
  table->clEnqueueUnmapMemObject = &Unmap;
}

}  // namespace xpool::remote
