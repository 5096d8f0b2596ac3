// The objects of the null driver. What is mutable says who guards it; "engine" is the one mutex of engine.h.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "backend/null/kernel_scan.h"
#include "backend/null/object.h"

namespace xpool::null_cl {

struct Platform : Object {
  static constexpr Kind kKind = Kind::kPlatform;
  static constexpr bool kCounted = false;
  static constexpr cl_int kInvalid = CL_INVALID_PLATFORM;
  using Handle = cl_platform_id;
  Platform() : Object(kKind) {}

  static Platform* Get();  // the only one; never destroyed
};

struct Device : Object {
  static constexpr Kind kKind = Kind::kDevice;
  static constexpr bool kCounted = false;
  static constexpr cl_int kInvalid = CL_INVALID_DEVICE;
  using Handle = cl_device_id;
  Device() : Object(kKind) {}

  static Device* Get();  // the only one; never destroyed
};

struct Context : Object {
  static constexpr Kind kKind = Kind::kContext;
  static constexpr bool kCounted = true;
  static constexpr cl_int kInvalid = CL_INVALID_CONTEXT;
  using Handle = cl_context;
  explicit Context(std::vector<cl_context_properties> given) : Object(kKind), properties(std::move(given)) {}
  ~Context();

  const std::vector<cl_context_properties> properties;  // with the final 0
  std::mutex mutex;
  std::map<void*, size_t> svm;                                                    // guarded by |mutex|
  std::vector<std::pair<ContextDestructorCallback, void*>> destructor_callbacks;  // guarded by |mutex|
};

struct Event;

// One enqueued command.
struct Command {
  enum class Order {
    kNormal,
    kAfterAll,
    kBarrier
  };  // kAfterAll: after everything before; kBarrier: also before the rest

  uint64_t sequence = 0;
  Order order = Order::kNormal;
  std::vector<Ref<Event>> waits;
  Ref<Event> event;
  std::function<cl_int()> work;
};

struct Queue : Object {
  static constexpr Kind kKind = Kind::kQueue;
  static constexpr bool kCounted = true;
  static constexpr cl_int kInvalid = CL_INVALID_COMMAND_QUEUE;
  using Handle = cl_command_queue;
  Queue(Context* owner, cl_command_queue_properties given) : Object(kKind), context(owner), properties(given) {}

  bool InOrder() const { return (properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE) == 0; }

  const Ref<Context> context;
  const cl_command_queue_properties properties;
  std::vector<cl_queue_properties> property_list;  // as given, with the final 0; empty if none was
  std::atomic<uint64_t> unfinished{0};             // commands enqueued and not ended
  std::deque<std::unique_ptr<Command>> commands;   // guarded by engine: not started yet
};

struct Mem : Object {
  static constexpr Kind kKind = Kind::kMem;
  static constexpr bool kCounted = true;
  static constexpr cl_int kInvalid = CL_INVALID_MEM_OBJECT;
  using Handle = cl_mem;
  Mem(Context* owner, cl_mem_object_type mem_type, cl_mem_flags mem_flags)
      : Object(kKind), context(owner), type(mem_type), flags(mem_flags) {}
  ~Mem();

  const Ref<Context> context;
  const cl_mem_object_type type;
  const cl_mem_flags flags;
  size_t size = 0;
  char* data = nullptr;
  bool owned = false;        // |data| is from calloc and charged
  void* host_ptr = nullptr;  // with CL_MEM_USE_HOST_PTR
  Ref<Mem> parent;
  size_t origin = 0;  // of a sub-buffer
  std::vector<cl_mem_properties> property_list;
  cl_image_format format{};  // of an image, like the rest
  cl_image_desc desc{};
  size_t element_bytes = 0;
  size_t row_pitch = 0;
  size_t slice_pitch = 0;
  std::atomic<uint32_t> maps{0};
  std::mutex mutex;
  std::vector<std::pair<MemDestructorCallback, void*>> destructor_callbacks;  // guarded by |mutex|
};

struct Sampler : Object {
  static constexpr Kind kKind = Kind::kSampler;
  static constexpr bool kCounted = true;
  static constexpr cl_int kInvalid = CL_INVALID_SAMPLER;
  using Handle = cl_sampler;
  explicit Sampler(Context* owner) : Object(kKind), context(owner) {}

  const Ref<Context> context;
  cl_bool normalized = CL_TRUE;
  cl_addressing_mode addressing = CL_ADDRESS_CLAMP;
  cl_filter_mode filter = CL_FILTER_NEAREST;
  std::vector<cl_sampler_properties> property_list;
};

struct Program : Object {
  static constexpr Kind kKind = Kind::kProgram;
  static constexpr bool kCounted = true;
  static constexpr cl_int kInvalid = CL_INVALID_PROGRAM;
  using Handle = cl_program;
  Program(Context* owner, std::string text) : Object(kKind), context(owner), source(std::move(text)) {}
  ~Program();

  const Ref<Context> context;
  const std::string source;
  std::mutex mutex;  // guards the rest
  cl_build_status status = CL_BUILD_NONE;
  cl_program_binary_type binary_type = CL_PROGRAM_BINARY_TYPE_NONE;
  std::string options;
  std::string log;
  std::vector<KernelSignature> kernels;
  std::vector<std::pair<ProgramCallback, void*>> release_callbacks;
  std::atomic<uint32_t> kernel_objects{0};
};

struct Kernel : Object {
  static constexpr ::xpool::null_cl::Kind kKind = ::xpool::null_cl::Kind::kKernel;
  static constexpr bool kCounted = true;
  static constexpr cl_int kInvalid = CL_INVALID_KERNEL;
  using Handle = cl_kernel;
  Kernel(Program* owner, KernelSignature kernel_signature);
  ~Kernel();

  struct Arg {
    bool set = false;
    cl_mem mem = nullptr;
  };

  const Ref<Program> program;
  const KernelSignature signature;
  std::mutex mutex;
  std::vector<Arg> args;  // guarded by |mutex|
};

struct Event : Object {
  static constexpr Kind kKind = Kind::kEvent;
  static constexpr bool kCounted = true;
  static constexpr cl_int kInvalid = CL_INVALID_EVENT;
  using Handle = cl_event;
  struct Callback {
    cl_int status;
    EventCallback function;
    void* user_data;
  };

  Event(Context* owner, Queue* in, cl_command_type command_type, cl_int initial_status)
      : Object(kKind), context(owner), queue(in), type(command_type), status(initial_status) {}

  const Ref<Context> context;
  const Ref<Queue> queue;  // none for a user event
  const cl_command_type type;
  std::atomic<cl_int> status;
  int64_t times_ns[4] = {};         // queued, submitted, started, ended; guarded by engine, immutable once ended
  std::vector<Callback> callbacks;  // guarded by engine
};

}  // namespace xpool::null_cl
