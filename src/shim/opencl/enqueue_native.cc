// clEnqueueNativeKernel. The driver copies the argument block and puts pointers where |args_mem_loc| says; a recorded
// native kernel has a copy of its own, so those places move with it.
#include <cstring>
#include <vector>

#include "generated/opencl/hooks.h"
#include "shim/opencl/command_work.h"
#include "shim/opencl/queue_enqueue.h"

namespace xpool::cl::hook {
namespace {

struct NativeCall {
  NativeKernel function = nullptr;
  std::vector<unsigned char> args;
  std::vector<size_t> locations;  // offsets in |args|
  std::vector<cl_mem> mems;       // the driver's
  std::vector<Ref<Mem>> keep;
};

cl_int CheckNative(NativeKernel function, const void* args, size_t args_size, cl_uint count, const cl_mem* mems,
                   const void** locations) {
  if (function == nullptr) return CL_INVALID_VALUE;
  if ((args == nullptr) != (args_size == 0) || (args == nullptr && count > 0)) return CL_INVALID_VALUE;
  if ((count > 0) != (mems != nullptr) || (count > 0) != (locations != nullptr)) return CL_INVALID_VALUE;
  const auto* begin = static_cast<const char*>(args);
  for (cl_uint i = 0; i < count; ++i) {
    const auto* at = static_cast<const char*>(locations[i]);
    if (args_size < sizeof(cl_mem) || at < begin || at > begin + args_size - sizeof(cl_mem)) return CL_INVALID_VALUE;
  }
  return CL_SUCCESS;
}

// Our memory objects as the driver's. NULL stays NULL.
cl_int TranslateMems(const Queue& queue, cl_uint count, const cl_mem* handles, NativeCall* call) {
  for (cl_uint i = 0; i < count; ++i) {
    cl_int status = CL_SUCCESS;
    Mem* mem = handles[i] != nullptr ? UsableMem(queue, handles[i], &status) : nullptr;
    if (status != CL_SUCCESS) return status;
    call->mems.push_back(mem != nullptr ? mem->driver : nullptr);
    call->keep.emplace_back(mem);
  }
  return CL_SUCCESS;
}

}  // namespace

cl_int clEnqueueNativeKernel(cl_command_queue command_queue, NativeKernel user_func, void* args, size_t cb_args,
                             cl_uint num_mem_objects, const cl_mem* mem_list, const void** args_mem_loc,
                             cl_uint num_events_in_wait_list, const cl_event* event_wait_list, cl_event* event) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  if (!queue->limits.native_kernels) return CL_INVALID_OPERATION;
  cl_int status = CheckNative(user_func, args, cb_args, num_mem_objects, mem_list, args_mem_loc);
  if (status != CL_SUCCESS) return status;
  NativeCall native;
  status = TranslateMems(*queue, num_mem_objects, mem_list, &native);
  if (status != CL_SUCCESS) return status;
  const EnqueueArgs enqueue_args{.type = CL_COMMAND_NATIVE_KERNEL,
                                 .num_events = num_events_in_wait_list,
                                 .wait_list = event_wait_list,
                                 .event = event,
                                 .work = LaunchWork(reinterpret_cast<uintptr_t>(user_func), cb_args)};
  return Enqueue(
      *queue, enqueue_args,
      [&](const DispatchTable& api, cl_command_queue on, cl_uint count, const cl_event* events, cl_event* done) {
        return api.clEnqueueNativeKernel(on, user_func, args, cb_args, num_mem_objects,
                                         num_mem_objects != 0 ? native.mems.data() : nullptr, args_mem_loc, count,
                                         events, done);
      },
      &NothingToCheck,
      [&](ForwardFn* forward) {
        native.function = user_func;
        const auto* bytes = static_cast<const unsigned char*>(args);
        native.args.assign(bytes, bytes + cb_args);
        for (cl_uint i = 0; i < num_mem_objects; ++i) {
          native.locations.push_back(static_cast<size_t>(static_cast<const unsigned char*>(args_mem_loc[i]) - bytes));
        }
        *forward = [api = queue->api, native = std::move(native)](cl_command_queue on, cl_uint count,
                                                                  const cl_event* events, cl_event* done) mutable {
          std::vector<const void*> locations;
          for (const size_t offset : native.locations) locations.push_back(native.args.data() + offset);
          const auto mems = static_cast<cl_uint>(native.mems.size());
          return api->clEnqueueNativeKernel(on, native.function, native.args.empty() ? nullptr : native.args.data(),
                                            native.args.size(), mems, mems != 0 ? native.mems.data() : nullptr,
                                            mems != 0 ? locations.data() : nullptr, count, events, done);
        };
        return cl_int{CL_SUCCESS};
      });
}

}  // namespace xpool::cl::hook
