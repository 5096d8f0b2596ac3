#include "backend/remote/coherence.h"

#include <algorithm>
#include <array>
#include <memory>
#include <new>

#include "backend/remote/calls.h"
#include "backend/remote/direct_copy.h"
#include "opencl/image.h"

namespace xpool::remote {

using wire_cl::ArgSheet;

namespace {

// What a range of a memory object is of the one that nothing contains.
struct Extent {
  Mem* whole;
  uint64_t offset;
  uint64_t bytes;
};

Extent ExtentOf(Mem* mem, uint64_t offset, uint64_t bytes) {
  if (mem->type == CL_MEM_OBJECT_BUFFER && offset < mem->size) bytes = std::min<uint64_t>(bytes, mem->size - offset);
  for (; mem->parent; mem = mem->parent.get()) {
    const bool buffer = mem->type == CL_MEM_OBJECT_BUFFER;
    offset = buffer ? offset + mem->offset : 0;
    if (!buffer) bytes = kToTheEnd;
  }
  const bool buffer = mem->type == CL_MEM_OBJECT_BUFFER;
  return {mem, buffer ? offset : 0, buffer ? bytes : 1};
}

size_t NodeOf(const Context& context, const ClLink* link) {
  return static_cast<size_t>(std::find(context.links.begin(), context.links.end(), link) - context.links.begin());
}

// --- Moving ---------------------------------------------------------------------------------------------------------

// Carries bytes of |mem| from one node to another through this process, where they cannot go directly: a step is read
// while the one before it is written.
class Relay {
 public:
  Relay(Queue* from, Queue* to, Mem* mem)
      : from_(To<cl_command_queue>(from)), to_(To<cl_command_queue>(to)), mem_(To<cl_mem>(mem)) {}
  ~Relay() { Finish(); }

  cl_int Buffer(uint64_t offset, uint64_t bytes) {
    const cl_int status = Allocate(std::min(bytes, kStepBytes));
    return status != CL_SUCCESS ? status : Steps(offset, bytes);
  }

  cl_int Image(const Mem& image) {
    const std::array<size_t, 3> origin = {}, region = ImageExtent(image.desc);
    cl_int status = Allocate(region[0] * region[1] * region[2] * image.element_bytes);
    cl_event done = nullptr;
    if (status == CL_SUCCESS)
      status = api_.clEnqueueReadImage(from_, mem_, CL_FALSE, origin.data(), region.data(), 0, 0, steps_[0].get(), 0,
                                       nullptr, &done);
    if (status == CL_SUCCESS) status = Await(&done);
    if (status == CL_SUCCESS)
      status = api_.clEnqueueWriteImage(to_, mem_, CL_FALSE, origin.data(), region.data(), 0, 0, steps_[0].get(), 0,
                                        nullptr, &written_[0]);
    return status == CL_SUCCESS ? Finish() : status;
  }

 private:
  static constexpr uint64_t kStepBytes = uint64_t{4} << 20;

  cl_int Allocate(size_t bytes) {
    for (std::unique_ptr<std::byte[]>& step : steps_) {
      step.reset(new (std::nothrow) std::byte[bytes]);
      if (step == nullptr) return CL_OUT_OF_HOST_MEMORY;
    }
    return CL_SUCCESS;
  }

  cl_int Steps(uint64_t offset, uint64_t bytes) {
    cl_int status = CL_SUCCESS;
    for (size_t slot = 0; bytes > 0 && status == CL_SUCCESS; slot = 1 - slot) {
      const uint64_t step = std::min(bytes, kStepBytes);
      cl_event here = nullptr;
      status = Await(&written_[slot]);  // the memory is free again
      if (status == CL_SUCCESS)
        status = api_.clEnqueueReadBuffer(from_, mem_, CL_FALSE, offset, step, steps_[slot].get(), 0, nullptr, &here);
      if (status == CL_SUCCESS) status = Await(&here);
      if (status == CL_SUCCESS)
        status = api_.clEnqueueWriteBuffer(to_, mem_, CL_FALSE, offset, step, steps_[slot].get(), 0, nullptr,
                                           &written_[slot]);
      offset += step;
      bytes -= step;
    }
    const cl_int finished = Finish();
    return status != CL_SUCCESS ? status : finished;
  }

  cl_int Finish() {
    cl_int status = CL_SUCCESS;
    for (cl_event& event : written_) {
      const cl_int ended = Await(&event);
      if (status == CL_SUCCESS) status = ended;
    }
    return status;
  }

  // Waits for |event|, if there is one, and releases it.
  cl_int Await(cl_event* event) {
    if (*event == nullptr) return CL_SUCCESS;
    const cl_int status = api_.clWaitForEvents(1, event);
    api_.clReleaseEvent(*event);
    *event = nullptr;
    return status == CL_SUCCESS ? CL_SUCCESS : CL_OUT_OF_RESOURCES;
  }

  const cl::DispatchTable& api_ = RemotePlatform::Api();
  const cl_command_queue from_, to_;
  const cl_mem mem_;
  std::array<std::unique_ptr<std::byte[]>, 2> steps_;
  std::array<cl_event, 2> written_{};
};

cl_int Move(Mem* whole, const Residency::Piece& piece, ClLink* to) {
  Context* const context = whole->context.get();
  Queue* const from_queue = MoverOf(context, context->links[piece.node]);
  Queue* const to_queue = MoverOf(context, to);
  if (from_queue == nullptr || to_queue == nullptr) return CL_OUT_OF_RESOURCES;
  const bool buffer = whole->type == CL_MEM_OBJECT_BUFFER;
  if (buffer && CopyDirectly(from_queue, to_queue, *whole, piece.offset, piece.bytes)) return CL_SUCCESS;
  Relay relay(from_queue, to_queue, whole);
  return buffer ? relay.Buffer(piece.offset, piece.bytes) : relay.Image(*whole);
}

// --- Arguments ------------------------------------------------------------------------------------------------------

Use UseOf(const ArgSheet* arg, const Mem& mem) {
  if ((mem.flags & CL_MEM_READ_ONLY) != 0) return Use::kReads;
  if (arg == nullptr || !arg->has_info) return Use::kChanges;
  const bool constant = arg->address == CL_KERNEL_ARG_ADDRESS_CONSTANT ||
                        (arg->type_qualifier & CL_KERNEL_ARG_TYPE_CONST) != 0 ||
                        arg->access == CL_KERNEL_ARG_ACCESS_READ_ONLY;
  return constant ? Use::kReads : Use::kChanges;
}

struct NamedMem {
  Ref<Mem> mem;
  Use use;
};

std::vector<NamedMem> MemsOf(Kernel* kernel) {
  std::vector<NamedMem> named;
  MutexLock lock(&kernel->mutex);
  for (size_t i = 0; i < kernel->arguments.size(); ++i) {
    const Ref<Mem>& mem = kernel->arguments[i].mem;
    if (!mem) continue;
    named.push_back({mem, UseOf(kernel->sheet == nullptr ? nullptr : &kernel->sheet->args[i], *mem)});
  }
  return named;
}

bool Spans(const Queue& queue) { return queue.context && queue.context->spans_nodes(); }

}  // namespace

Queue* MoverOf(Context* context, ClLink* link) {
  const size_t node = NodeOf(*context, link);
  MutexLock lock(&context->movers_mutex);  // a second one would do no harm, but cost as much
  context->movers.resize(context->links.size());
  Ref<Queue>& mover = context->movers[node];
  if (mover) return mover.get();
  const auto device = std::find_if(context->devices.begin(), context->devices.end(),
                                   [link](const Device* on) { return on->link == link; });
  auto made = Ref<Queue>::Adopt(new Queue(nullptr, *device, 0));
  const cl_int status = MakeOn({&link, 1}, made.get(), [&](ClLink* on, const CallOptions& options) {
    return XPOOL_ASK(on, options, clCreateCommandQueue, To<cl_context>(context), To<cl_device_id>(*device),
                     cl_command_queue_properties{0}, nullptr);
  });
  if (status == CL_SUCCESS) mover = std::move(made);
  return mover.get();
}

cl_int Prepare(Queue* queue, cl_mem mem, Use use, uint64_t offset, uint64_t bytes) {
  if (const cl_int error = From<Mem>(mem)->error.load(std::memory_order_relaxed); error != CL_SUCCESS) return error;
  if (!Spans(*queue)) return CL_SUCCESS;
  const Extent extent = ExtentOf(From<Mem>(mem), offset, bytes);
  const size_t node = NodeOf(*queue->context, queue->link);
  Spread& spread = *extent.whole->spread;
  MutexLock lock(&spread.mutex);  // also while bytes travel: who needs them here has to wait for them
  if (use != Use::kReplaces) {
    for (const Residency::Piece& piece : spread.residency.Missing(node, extent.offset, extent.bytes)) {
      if (const cl_int status = Move(extent.whole, piece, queue->link); status != CL_SUCCESS) return status;
      spread.residency.Arrived(node, piece.offset, piece.bytes);
    }
  }
  if (use != Use::kReads) spread.residency.Written(node, extent.offset, extent.bytes);
  return CL_SUCCESS;
}

cl_int PrepareArguments(Queue* queue, Kernel* kernel) {
  if (!Spans(*queue)) return CL_SUCCESS;
  for (const NamedMem& named : MemsOf(kernel)) {
    if (const cl_int status = Prepare(queue, To<cl_mem>(named.mem.get()), named.use); status != CL_SUCCESS)
      return status;
  }
  return CL_SUCCESS;
}

cl_int PrepareRect(Queue* queue, cl_mem buffer, Use use, const size_t* origin, const size_t* region, size_t row_pitch,
                   size_t slice_pitch) {
  const size_t row = row_pitch != 0 ? row_pitch : region[0];
  const size_t slice = slice_pitch != 0 ? slice_pitch : row * region[1];
  const uint64_t first = origin[2] * slice + origin[1] * row + origin[0];
  return Prepare(queue, buffer, use, first, (region[2] - 1) * slice + (region[1] - 1) * row + region[0]);
}

}  // namespace xpool::remote
