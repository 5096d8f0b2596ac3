// The remote driver's objects: what the handles point to that the shim, its only user, gets from its dispatch table.
// Each stands for one object of a worker, or, in a context that spans slices of several nodes, for one of each node's
// worker.
//
// References are counted here and only here; when the last one goes, the workers' objects are released. Objects are
// immutable once made, but for what their members say. Thread-safe.
#pragma once

#include <CL/cl.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "backend/remote/residency.h"
#include "base/mutex.h"
#include "opencl/ref.h"
#include "wire/handle.h"
#include "wire_opencl/call_values.h"
#include "wire_opencl/host_layout.h"
#include "wire_opencl/notices.h"

namespace xpool::remote {

using wire_cl::ValueKind;

class ClLink;
class RemotePlatform;

struct Object {
  struct Part {
    ClLink* link;
    wire::WireHandle handle;
  };

  explicit Object(ValueKind kind) : kind(kind) {}
  Object(const Object&) = delete;
  virtual ~Object() = default;  // releases the workers' objects

  // Of the worker behind |link|; NULL if it has none.
  wire::WireHandle HandleOn(const ClLink* link) const {
    for (const Part& part : parts) {
      if (part.link == link) return part.handle;
    }
    return {};
  }
  // Has every worker release its object, and forgets the handles. For destructors.
  void ReleaseParts(wire_cl::CallId call);

  const ValueKind kind;
  std::atomic<uint32_t> refs{1};
  // A worker could not make it, or refused something that was asked of it without waiting: what later calls that use it
  // may report. The first one stays.
  std::atomic<cl_int> error{CL_SUCCESS};
  absl::InlinedVector<Part, 1> parts;
};

inline void Unref(Object* object) {
  if (object != nullptr && object->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete object;
}

// Answers of queries that never change, by call and what was asked. Thread-safe.
class InfoMemory {
 public:
  using Bytes = std::vector<unsigned char>;
  // nullptr if it is not known. Good until the object goes.
  const Bytes* Find(uint64_t key);
  const Bytes* Keep(uint64_t key, Bytes bytes);
  void Forget();

 private:
  Mutex mutex_;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Bytes>> known_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Bytes>> forgotten_ ABSL_GUARDED_BY(mutex_);  // somebody may still read them
};

struct Device : Object {
  Device(RemotePlatform* platform, ClLink* link, Device* parent);
  ~Device() override;

  RemotePlatform* const platform;
  ClLink* const link;
  Device* const parent;   // nullptr for a slice itself
  const uint32_t number;  // no other device of this process has it
  InfoMemory info;
};

struct Queue;

struct Context : Object {
  Context() : Object(ValueKind::kContext) {}
  ~Context() override;

  bool spans_nodes() const { return links.size() > 1; }

  std::vector<Device*> devices;
  absl::InlinedVector<ClLink*, 1> links;
  std::vector<uint64_t> callback_tokens;
  InfoMemory info;  // image formats

  Mutex movers_mutex;
  std::vector<Ref<Queue>> movers ABSL_GUARDED_BY(movers_mutex);  // by link; coherence.h
};

struct Event;
using DroppedEvents = absl::InlinedVector<Ref<Event>, 4>;

struct Queue : Object {
  Queue(Context* context, Device* device, cl_command_queue_properties flags);
  ~Queue() override;

  bool in_order() const { return (flags & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE) == 0; }

  // Remembers that |event| is of the call |sequence|. Called under the lane's lock, so in the order of the calls; what
  // it returns must be dropped without that.
  DroppedEvents Add(Event* event);
  // The worker says that these are complete.
  void Complete(const wire_cl::Done& done);
  // The times of a command whose end comes next.
  void Note(const wire_cl::Times& times);
  // The call |sequence|, which nobody waits for, failed.
  void Fail(uint64_t sequence, cl_int status);
  // Everything ends with |status|.
  void FailAll(cl_int status);
  // The error of a call or a command that had no event to carry it; at most once.
  cl_int TakeError() { return sticky.exchange(CL_SUCCESS); }
  void SetError(cl_int status) {
    cl_int none = CL_SUCCESS;
    sticky.compare_exchange_strong(none, status);
  }
  // Commands whose data has not come yet.
  std::vector<Ref<Event>> AwaitingData();

  const Ref<Context> context;  // empty: one of the context's own
  Device* const device;
  ClLink* const link;
  const cl_command_queue_properties flags;
  InfoMemory info;
  std::atomic<cl_int> sticky{CL_SUCCESS};
  std::atomic<uint64_t> transfer_bytes{0};  // that were sent or asked for since all was complete
  Mutex mutex;
  std::deque<Ref<Event>> pending ABSL_GUARDED_BY(mutex);  // by sequence
  std::deque<Ref<Event>>::iterator FindPending(uint64_t sequence) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
};

// A command's event. Complete when its status is CL_COMPLETE or negative.
struct Event : Object {
  using Callback = void(CL_CALLBACK*)(cl_event, cl_int, void*);

  explicit Event(Queue* queue) : Object(ValueKind::kEvent), queue(queue) {}
  ~Event() override;

  bool complete() const { return status.load(std::memory_order_acquire) <= CL_COMPLETE; }
  // Ends it, calls back; false when it had ended before.
  bool End(cl_int with);
  // Somebody who does not wait wants to know of its end.
  void Watch();
  void AddCallback(cl_int when, Callback callback, void* user_data);

  const Ref<Queue> queue;
  uint64_t sequence = 0;             // of its call; set under the lane's lock
  bool brings_data = false;          // complete only when the data that was asked for is here
  std::atomic<bool> by_bulk{false};  // ... which comes by the bulk lane
  std::atomic<cl_int> status{CL_SUBMITTED};
  std::atomic<bool> wanted{false};   // the worker was asked to tell
  std::atomic<bool> watched{false};  // the link was told to listen for it

  Mutex mutex;
  struct Registered {
    cl_int when;
    Callback callback;
    void* user_data;
  };
  std::vector<Registered> callbacks ABSL_GUARDED_BY(mutex);
  std::unique_ptr<wire_cl::EventTimes> times ABSL_GUARDED_BY(mutex);
};

// Memory of the program that stands in for a mapped region.
struct HostMapping {
  uint64_t token = 0;
  void* data = nullptr;
  ClLink* link = nullptr;              // where it is mapped
  std::shared_ptr<std::byte[]> owned;  // empty: it is the program's own (CL_MEM_USE_HOST_PTR)
  wire_cl::HostLayout layout;
  bool writes = false;
  Ref<Event> filled;  // ends when what was there has come; empty: nothing was to come
};

// Where the bytes of a memory object are that several nodes have, each for itself (coherence.h).
struct Spread {
  Spread(uint64_t bytes, size_t nodes) : residency(bytes, nodes) {}

  Mutex mutex;
  Residency residency ABSL_GUARDED_BY(mutex);
};

struct Mem : Object {
  explicit Mem(Context* context) : Object(ValueKind::kMem), context(context) {}
  ~Mem() override;

  const Ref<Context> context;
  Ref<Mem> parent;
  cl_mem_object_type type = CL_MEM_OBJECT_BUFFER;
  cl_mem_flags flags = 0;
  size_t size = 0;
  size_t offset = 0;                   // of a sub-buffer
  void* host_ptr = nullptr;            // with CL_MEM_USE_HOST_PTR; of a sub-buffer, its own part
  std::shared_ptr<const void> shared;  // keeps the shared virtual memory at |host_ptr|, if it is that
  // Of images.
  cl_image_format format{};
  cl_image_desc desc{};
  size_t element_bytes = 0;
  InfoMemory info;
  std::unique_ptr<Spread> spread;  // unless it is a part of another, or its context spans no nodes

  // The mapping at |pointer|; mappings.end() if there is none.
  std::vector<HostMapping>::iterator FindMapping(const void* pointer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  Mutex mutex;
  std::vector<HostMapping> mappings ABSL_GUARDED_BY(mutex);
};

struct Sampler : Object {
  explicit Sampler(Context* context) : Object(ValueKind::kSampler), context(context) {}
  ~Sampler() override;

  const Ref<Context> context;
  InfoMemory info;
};

// What is known of a program's kernels once it is built. Immutable, but for what is learned about their arguments.
struct ProgramFacts {
  bool complete = false;
  absl::flat_hash_map<std::string, wire_cl::KernelSheet> kernels;

  // Ways of setting an argument that a worker has accepted, by kernel, index and what ArgumentKey() says of the value.
  Mutex mutex;
  absl::flat_hash_map<std::string, bool> accepted ABSL_GUARDED_BY(mutex);
};

struct Program : Object {
  Program(Context* context, std::vector<Device*> devices)
      : Object(ValueKind::kProgram), context(context), devices(std::move(devices)) {}
  ~Program() override;

  // The nodes where it has been built; where it has not been anywhere, all that have it. Never empty once it is made.
  std::vector<ClLink*> BuiltOn();

  const Ref<Context> context;
  const std::vector<Device*> devices;  // what it is for
  std::string source;                  // empty unless made from source
  InfoMemory info;                     // as of the last build

  Mutex mutex;
  std::shared_ptr<ProgramFacts> facts ABSL_GUARDED_BY(mutex);
  std::vector<ClLink*> built ABSL_GUARDED_BY(mutex);
  absl::flat_hash_map<const ClLink*, std::vector<size_t>> binary_sizes ABSL_GUARDED_BY(mutex);  // as last told
};

struct Kernel : Object {
  Kernel(Program* program, std::string name, std::shared_ptr<ProgramFacts> facts, const wire_cl::KernelSheet* sheet)
      : Object(ValueKind::kKernel),
        program(program),
        name(std::move(name)),
        facts(std::move(facts)),
        sheet(sheet),
        arguments(sheet == nullptr ? 0 : sheet->args.size()) {}
  ~Kernel() override;

  const Ref<Program> program;
  const std::string name;
  const std::shared_ptr<ProgramFacts> facts;
  const wire_cl::KernelSheet* const sheet;  // in |facts|; nullptr: the worker is asked
  InfoMemory info;

  struct Argument {
    bool set = false;
    size_t size = 0;
    bool is_null = false;
    uint64_t named = 0;  // the handle of the object that it names: addresses are used again
    absl::InlinedVector<unsigned char, 16> bytes;
    Ref<Mem> mem;  // what it names; only in a context that spans nodes
  };
  Mutex mutex;
  std::vector<Argument> arguments ABSL_GUARDED_BY(mutex);  // as the worker's kernel has them
};

// Which addresses are live objects that a kernel argument can name: bytes of a program may look like one, and what an
// argument takes is not always known. Thread-safe.
class LiveArguments {
 public:
  static void Add(const Object* object);
  static void Remove(const Object* object);
  // kNone if there is none at |pointer|.
  static ValueKind KindOf(const void* pointer);
};

// The object behind a handle that came from here. The shim passes no others.
template <typename T, typename Handle>
T* From(Handle handle) {
  return static_cast<T*>(reinterpret_cast<Object*>(handle));
}
template <typename Handle>
Handle To(Object* object) {
  return reinterpret_cast<Handle>(object);
}

}  // namespace xpool::remote
