// Entry points that launch kernels: the launch path.
#include <optional>

#include "generated/opencl/hooks.h"
#include "shim/opencl/command_work.h"
#include "shim/opencl/driver_info.h"
#include "shim/opencl/kernel.h"
#include "shim/opencl/queue_enqueue.h"
#include "shim/opencl/triple.h"
#include "shim/opencl/validate_launch.h"

namespace xpool::cl::hook {
namespace {

// What is known of |kernel|'s duration goes with its program and name, so that kernel objects made anew share it.
Work WorkOf(const Kernel& kernel, cl_uint work_dim, const size_t* global) {
  uint64_t items = 1;
  for (cl_uint i = 0; i < work_dim && i < 3 && global != nullptr; ++i) items *= global[i];
  return LaunchWork(absl::HashOf(kernel.program.get(), kernel.name), items);
}

// A copy of the first |count| of |values|; empty for NULL.
std::optional<Triple> CopyOf(const size_t* values, cl_uint count) {
  if (values == nullptr) return std::nullopt;
  Triple copy{};
  for (cl_uint i = 0; i < count; ++i) copy[i] = values[i];
  return copy;
}

const size_t* DataOf(const std::optional<Triple>& values) { return values.has_value() ? values->data() : nullptr; }

cl_int CheckLaunch(const Queue& queue, Kernel& kernel, cl_uint work_dim, const size_t* offset, const size_t* global,
                   const size_t* local) {
  const std::optional<KernelLimits> limits = kernel.LimitsOn(queue.device.get());
  if (!limits.has_value()) return CL_INVALID_PROGRAM_EXECUTABLE;
  const cl_int invalid = CheckLaunch(queue.limits, *limits, work_dim, offset, global, local);
  if (invalid != CL_SUCCESS) return invalid;
  return kernel.all_set() ? CL_SUCCESS : CL_INVALID_KERNEL_ARGS;
}

// Makes |forward| launch the kernel with its arguments as they are now.
cl_int RecordLaunch(const Queue& queue, Kernel* kernel, cl_uint work_dim, const size_t* offset, const size_t* global,
                    const size_t* local, ForwardFn* forward) {
  std::shared_ptr<const ArgSet> args = kernel->Snapshot();
  if (args->status != CL_SUCCESS) return args->status;
  *forward = [api = queue.api, keep = Ref<Kernel>(kernel), args = std::move(args), work_dim,
              offsets = CopyOf(offset, work_dim), globals = CopyOf(global, work_dim), locals = CopyOf(local, work_dim)](
                 cl_command_queue on, cl_uint count, const cl_event* events, cl_event* done) {
    const ShadowKernel shadow = keep->AcquireShadow(*args);
    if (shadow.status() != CL_SUCCESS) return shadow.status();
    return api->clEnqueueNDRangeKernel(on, shadow.driver(), work_dim, DataOf(offsets), DataOf(globals), DataOf(locals),
                                       count, events, done);
  };
  return CL_SUCCESS;
}

// The kernel behind |handle| when it may run on |queue|; the error goes to |status|.
Kernel* UsableKernel(const Queue& queue, cl_kernel handle, cl_int* status) {
  Kernel* kernel = FromHandle<Kernel>(handle);
  if (kernel == nullptr || !OfThisProcess(*kernel)) {
    *status = CL_INVALID_KERNEL;
    return nullptr;
  }
  if (kernel->program->context.get() != queue.context.get()) {
    *status = CL_INVALID_CONTEXT;
    return nullptr;
  }
  return kernel;
}

}  // namespace

cl_int clEnqueueNDRangeKernel(cl_command_queue command_queue, cl_kernel kernel_handle, cl_uint work_dim,
                              const size_t* global_work_offset, const size_t* global_work_size,
                              const size_t* local_work_size, cl_uint num_events_in_wait_list,
                              const cl_event* event_wait_list, cl_event* event) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  cl_int status = CL_SUCCESS;
  Kernel* kernel = UsableKernel(*queue, kernel_handle, &status);
  if (kernel == nullptr) return status;
  const EnqueueArgs args{.type = CL_COMMAND_NDRANGE_KERNEL,
                         .num_events = num_events_in_wait_list,
                         .wait_list = event_wait_list,
                         .event = event,
                         .work = WorkOf(*kernel, work_dim, global_work_size)};
  return Enqueue(
      *queue, args,
      [&](const DispatchTable& api, cl_command_queue on, cl_uint count, const cl_event* events, cl_event* done) {
        return api.clEnqueueNDRangeKernel(on, kernel->driver, work_dim, global_work_offset, global_work_size,
                                          local_work_size, count, events, done);
      },
      [&] { return CheckLaunch(*queue, *kernel, work_dim, global_work_offset, global_work_size, local_work_size); },
      [&](ForwardFn* forward) {
        return RecordLaunch(*queue, kernel, work_dim, global_work_offset, global_work_size, local_work_size, forward);
      });
}

cl_int clEnqueueTask(cl_command_queue command_queue, cl_kernel kernel_handle, cl_uint num_events_in_wait_list,
                     const cl_event* event_wait_list, cl_event* event) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  cl_int status = CL_SUCCESS;
  Kernel* kernel = UsableKernel(*queue, kernel_handle, &status);
  if (kernel == nullptr) return status;
  const size_t one = 1;
  const EnqueueArgs args{.type = CL_COMMAND_TASK,
                         .num_events = num_events_in_wait_list,
                         .wait_list = event_wait_list,
                         .event = event,
                         .work = WorkOf(*kernel, 1, &one)};
  return Enqueue(
      *queue, args,
      [&](const DispatchTable& api, cl_command_queue on, cl_uint count, const cl_event* events, cl_event* done) {
        return api.clEnqueueTask(on, kernel->driver, count, events, done);
      },
      [&] { return CheckLaunch(*queue, *kernel, 1, nullptr, &one, &one); },
      [&](ForwardFn* forward) { return RecordLaunch(*queue, kernel, 1, nullptr, &one, &one, forward); });
}

}  // namespace xpool::cl::hook
