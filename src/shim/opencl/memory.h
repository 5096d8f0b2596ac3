// Memory objects: buffers, sub-buffers, images and pipes. An allocation is reserved in the session's memory account
// before the driver is asked and given back when the driver really frees it, which its own destructor callback says
// (commands in flight keep a released buffer alive). Sub-buffers and images made from another object share its memory
// and are not charged.
//
// Immutable after creation, but for what its members say.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "shim/opencl/context.h"
#include "shim/opencl/live.h"

namespace xpool::cl {

class MemFate;    // memory_fate.h: what happens when the driver frees it
struct MapTable;  // map_*.h: the live mappings; owned by the engine

struct Mem : LiveObject {
  static constexpr Kind kKind = Kind::kMem;
  using Handle = cl_mem;
  static constexpr cl_int kInvalid = CL_INVALID_MEM_OBJECT;

  Mem(Context* context, cl_mem driver, cl_mem_object_type type);
  ~Mem();

  bool is_image() const { return type != CL_MEM_OBJECT_BUFFER && type != CL_MEM_OBJECT_PIPE; }

  const Ref<Context> context;
  const DispatchTable* const api;
  const cl_mem driver;
  const cl_mem_object_type type;
  cl_mem_flags flags = 0;                     // in force: inherited ones included
  size_t size = 0;                            // CL_MEM_SIZE
  void* host_ptr = nullptr;                   // with CL_MEM_USE_HOST_PTR; of a sub-buffer, its own part
  Ref<Mem> parent;                            // of a sub-buffer or an image made from a buffer or an image
  size_t origin = 0;                          // of a sub-buffer
  std::vector<cl_mem_properties> properties;  // as the program gave them, with the final zero

  // Of images only. |desc| has the sizes in force (pitches as the driver reports them) and no mem_object.
  cl_image_format format{};
  cl_image_desc desc{};
  size_t element_bytes = 0;

  std::atomic<uint32_t> map_count{0};  // CL_MEM_MAP_COUNT; kept by the engine
  Mutex maps_mutex;
  std::shared_ptr<MapTable> maps ABSL_GUARDED_BY(maps_mutex);

  MemFate* fate = nullptr;  // lives until the driver frees the memory, which may be after this object

 private:
  void ReadImageLayout();
};

// The object around the driver's new |driver|, for which |charged_bytes| are reserved: they are given back when the
// driver frees it.
Mem* AdoptMem(Context* context, cl_mem driver, cl_mem_object_type type, uint64_t charged_bytes);

// The largest allocation any device of |context| takes, within the slice's memory as of now.
uint64_t MaxAllocBytes(const Context& context);

}  // namespace xpool::cl
