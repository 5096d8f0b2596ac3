// Kernels of the null driver: arguments are checked against the signature that the source shows; launches do nothing
// but take their time.
#include <algorithm>
#include <thread>

#include "backend/null/config.h"
#include "backend/null/engine.h"
#include "backend/null/faults.h"
#include "opencl/info.h"

namespace xpool::null_cl {
namespace {

// The kernels of |program| if it is built.
cl_int BuiltKernels(Program* program, std::vector<KernelSignature>* kernels) {
  const std::lock_guard lock(program->mutex);
  const bool executable = program->binary_type == CL_PROGRAM_BINARY_TYPE_EXECUTABLE;
  if (program->status != CL_BUILD_SUCCESS || !executable) return CL_INVALID_PROGRAM_EXECUTABLE;
  *kernels = program->kernels;
  return CL_SUCCESS;
}

bool IsMemOrNull(const void* value) {
  const cl_mem mem = *static_cast<const cl_mem*>(value);
  return mem == nullptr || As<Mem>(mem) != nullptr;
}

cl_int CheckArg(const KernelArg& arg, size_t size, const void* value) {
  switch (arg.takes) {
    case KernelArg::Takes::kLocal:
      return value != nullptr ? CL_INVALID_ARG_VALUE : size == 0 ? CL_INVALID_ARG_SIZE : CL_SUCCESS;
    case KernelArg::Takes::kMem:
      if (size != sizeof(cl_mem)) return CL_INVALID_ARG_SIZE;
      return value == nullptr || IsMemOrNull(value) ? CL_SUCCESS : CL_INVALID_MEM_OBJECT;
    case KernelArg::Takes::kSampler:
      if (size != sizeof(cl_sampler)) return CL_INVALID_ARG_SIZE;
      return value != nullptr && As<Sampler>(*static_cast<const cl_sampler*>(value)) ? CL_SUCCESS : CL_INVALID_SAMPLER;
    case KernelArg::Takes::kValue:
      if (arg.size != 0 && size != arg.size) return CL_INVALID_ARG_SIZE;
      return value != nullptr ? CL_SUCCESS : CL_INVALID_ARG_VALUE;
  }
  return CL_INVALID_VALUE;
}

cl_int RunKernel() {
  if (const cl_int error = EnterKernel(); error != CL_SUCCESS) return error;
  if (GetConfig().kernel_us > 0) std::this_thread::sleep_for(std::chrono::microseconds(GetConfig().kernel_us));
  return CL_SUCCESS;
}

cl_int CheckRange(cl_uint work_dim, const size_t* global_work_size, const size_t* local_work_size) {
  if (work_dim < 1 || work_dim > 3) return CL_INVALID_WORK_DIMENSION;
  constexpr size_t kMaxItems[] = {1024, 1024, 64};
  size_t items = 1;
  for (cl_uint i = 0; local_work_size != nullptr && i < work_dim; ++i) {
    if (local_work_size[i] == 0) return CL_INVALID_WORK_GROUP_SIZE;
    if (local_work_size[i] > kMaxItems[i]) return CL_INVALID_WORK_ITEM_SIZE;
    items *= local_work_size[i];
  }
  (void)global_work_size;  // 0 work items are allowed since OpenCL 2.1
  return items > 1024 ? CL_INVALID_WORK_GROUP_SIZE : CL_SUCCESS;
}

cl_int Launch(cl_command_queue command_queue, cl_kernel handle, cl_command_type type, const Sync& sync) {
  Queue* queue = As<Queue>(command_queue);
  Kernel* kernel = As<Kernel>(handle);
  if (queue->context.get() != kernel->program->context.get()) return CL_INVALID_CONTEXT;
  std::vector<Ref<Mem>> used;
  {
    const std::lock_guard lock(kernel->mutex);
    const bool waits = !CanRunInline(*queue, sync);
    for (const Kernel::Arg& arg : kernel->args) {
      if (!arg.set) return CL_INVALID_KERNEL_ARGS;
      if (waits && arg.mem != nullptr) used.emplace_back(As<Mem>(arg.mem));
    }
  }
  return Enqueue(queue, type, sync, [used = std::move(used)] { return RunKernel(); });
}

cl_int ArgInfo(const KernelArg& arg, cl_kernel_arg_info param_name, const InfoOut& reply) {
  switch (param_name) {
    case CL_KERNEL_ARG_ADDRESS_QUALIFIER:
      return reply.Value(arg.address);
    case CL_KERNEL_ARG_ACCESS_QUALIFIER:
      return reply.Value(arg.access);
    case CL_KERNEL_ARG_TYPE_NAME:
      return reply.String(arg.type);
    case CL_KERNEL_ARG_TYPE_QUALIFIER:
      return reply.Value(arg.qualifier);
    case CL_KERNEL_ARG_NAME:
      return reply.String(arg.name);
  }
  return CL_INVALID_VALUE;
}

// What clEnqueueNativeKernel copies for the time until the function is called.
struct NativeCall {
  NativeKernel function;
  void* given;
  std::vector<char> args;
  std::vector<Ref<Mem>> mems;
  std::vector<size_t> places;  // offsets in |args| of the pointers to memory

  cl_int operator()() {
    for (size_t i = 0; i < mems.size(); ++i) std::memcpy(args.data() + places[i], &mems[i]->data, sizeof(void*));
    function(args.empty() ? given : args.data());
    return CL_SUCCESS;
  }
};

}  // namespace

Kernel::Kernel(Program* owner, KernelSignature kernel_signature)
    : Object(kKind), program(owner), signature(std::move(kernel_signature)), args(signature.args.size()) {
  owner->kernel_objects.fetch_add(1);
}

Kernel::~Kernel() { program->kernel_objects.fetch_sub(1); }

namespace impl {

cl_kernel clCreateKernel(cl_program handle, const char* kernel_name, cl_int* errcode_ret) {
  Program* program = As<Program>(handle);
  std::vector<KernelSignature> kernels;
  if (const cl_int error = BuiltKernels(program, &kernels); error != CL_SUCCESS) return Fail(errcode_ret, error);
  for (KernelSignature& kernel : kernels) {
    if (kernel.name == kernel_name) return Succeed(errcode_ret, new Kernel(program, std::move(kernel)));
  }
  return Fail(errcode_ret, CL_INVALID_KERNEL_NAME);
}

cl_int clCreateKernelsInProgram(cl_program handle, cl_uint num_kernels, cl_kernel* kernels, cl_uint* num_kernels_ret) {
  Program* program = As<Program>(handle);
  std::vector<KernelSignature> found;
  if (const cl_int error = BuiltKernels(program, &found); error != CL_SUCCESS) return error;
  if (kernels != nullptr && num_kernels < found.size()) return CL_INVALID_VALUE;
  if (num_kernels_ret != nullptr) *num_kernels_ret = static_cast<cl_uint>(found.size());
  for (size_t i = 0; kernels != nullptr && i < found.size(); ++i) kernels[i] = ToHandle(new Kernel(program, found[i]));
  return CL_SUCCESS;
}

cl_kernel clCloneKernel(cl_kernel source_kernel, cl_int* errcode_ret) {
  Kernel* source = As<Kernel>(source_kernel);
  auto* clone = new Kernel(source->program.get(), source->signature);
  const std::lock_guard lock(source->mutex);
  clone->args = source->args;
  return Succeed(errcode_ret, clone);
}

cl_int clSetKernelArg(cl_kernel handle, cl_uint arg_index, size_t arg_size, const void* arg_value) {
  Kernel& kernel = *As<Kernel>(handle);
  if (arg_index >= kernel.signature.args.size()) return CL_INVALID_ARG_INDEX;
  const KernelArg& arg = kernel.signature.args[arg_index];
  if (const cl_int error = CheckArg(arg, arg_size, arg_value); error != CL_SUCCESS) return error;
  const bool mem = arg.takes == KernelArg::Takes::kMem && arg_value != nullptr;
  const std::lock_guard lock(kernel.mutex);
  kernel.args[arg_index] = {true, mem ? *static_cast<const cl_mem*>(arg_value) : nullptr};
  return CL_SUCCESS;
}

cl_int clSetKernelArgSVMPointer(cl_kernel handle, cl_uint arg_index, const void*) {
  Kernel& kernel = *As<Kernel>(handle);
  if (arg_index >= kernel.signature.args.size()) return CL_INVALID_ARG_INDEX;
  if (kernel.signature.args[arg_index].takes != KernelArg::Takes::kMem) return CL_INVALID_ARG_VALUE;
  const std::lock_guard lock(kernel.mutex);
  kernel.args[arg_index] = {true, nullptr};
  return CL_SUCCESS;
}

cl_int clSetKernelExecInfo(cl_kernel, cl_kernel_exec_info param_name, size_t param_value_size, const void*) {
  if (param_name == CL_KERNEL_EXEC_INFO_SVM_PTRS) {
    return param_value_size > 0 && param_value_size % sizeof(void*) == 0 ? CL_SUCCESS : CL_INVALID_VALUE;
  }
  return param_name == CL_KERNEL_EXEC_INFO_SVM_FINE_GRAIN_SYSTEM ? CL_INVALID_OPERATION : CL_INVALID_VALUE;
}

cl_int clGetKernelInfo(cl_kernel handle, cl_kernel_info param_name, size_t param_value_size, void* param_value,
                       size_t* param_value_size_ret) {
  const Kernel& kernel = *As<Kernel>(handle);
  const InfoOut reply(param_value_size, param_value, param_value_size_ret);
  switch (param_name) {
    case CL_KERNEL_FUNCTION_NAME:
      return reply.String(kernel.signature.name);
    case CL_KERNEL_NUM_ARGS:
      return reply.Value(static_cast<cl_uint>(kernel.signature.args.size()));
    case CL_KERNEL_REFERENCE_COUNT:
      return reply.Value(cl_uint{kernel.api_refs});
    case CL_KERNEL_CONTEXT:
      return reply.Value(ToHandle(kernel.program->context.get()));
    case CL_KERNEL_PROGRAM:
      return reply.Value(ToHandle(kernel.program.get()));
    case CL_KERNEL_ATTRIBUTES:
      return reply.String("");
  }
  return CL_INVALID_VALUE;
}

cl_int clGetKernelArgInfo(cl_kernel handle, cl_uint arg_index, cl_kernel_arg_info param_name, size_t param_value_size,
                          void* param_value, size_t* param_value_size_ret) {
  const Kernel& kernel = *As<Kernel>(handle);
  if (arg_index >= kernel.signature.args.size()) return CL_INVALID_ARG_INDEX;
  {
    const std::lock_guard lock(kernel.program->mutex);
    if (kernel.program->options.find("-cl-kernel-arg-info") == std::string::npos)
      return CL_KERNEL_ARG_INFO_NOT_AVAILABLE;
  }
  return ArgInfo(kernel.signature.args[arg_index], param_name,
                 InfoOut(param_value_size, param_value, param_value_size_ret));
}

cl_int clGetKernelWorkGroupInfo(cl_kernel, cl_device_id, cl_kernel_work_group_info param_name, size_t param_value_size,
                                void* param_value, size_t* param_value_size_ret) {
  const InfoOut reply(param_value_size, param_value, param_value_size_ret);
  switch (param_name) {
    case CL_KERNEL_WORK_GROUP_SIZE:
      return reply.Value(size_t{1024});
    case CL_KERNEL_COMPILE_WORK_GROUP_SIZE:
      return reply.Array(std::vector<size_t>{0, 0, 0});
    case CL_KERNEL_LOCAL_MEM_SIZE:
    case CL_KERNEL_PRIVATE_MEM_SIZE:
      return reply.Value(cl_ulong{0});
    case CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE:
      return reply.Value(size_t{32});
  }
  return CL_INVALID_VALUE;  // CL_KERNEL_GLOBAL_WORK_SIZE is for built-in kernels
}

cl_int clGetKernelSubGroupInfo(cl_kernel, cl_device_id, cl_kernel_sub_group_info, size_t, const void*, size_t, void*,
                               size_t*) {
  return CL_INVALID_OPERATION;  // the device has no subgroups
}

cl_int clGetKernelSuggestedLocalWorkSizeKHR(cl_command_queue, cl_kernel, cl_uint work_dim, const size_t*,
                                            const size_t* global_work_size, size_t* suggested_local_work_size) {
  if (work_dim < 1 || work_dim > 3) return CL_INVALID_WORK_DIMENSION;
  for (cl_uint i = 0; i < work_dim; ++i)
    suggested_local_work_size[i] = i == 0 ? std::min<size_t>(64, global_work_size[0]) : 1;
  return CL_SUCCESS;
}

cl_int clEnqueueNDRangeKernel(cl_command_queue command_queue, cl_kernel kernel, cl_uint work_dim, const size_t*,
                              const size_t* global_work_size, const size_t* local_work_size,
                              cl_uint num_events_in_wait_list, const cl_event* event_wait_list, cl_event* event) {
  if (const cl_int error = CheckRange(work_dim, global_work_size, local_work_size); error != CL_SUCCESS) return error;
  return Launch(command_queue, kernel, CL_COMMAND_NDRANGE_KERNEL, {num_events_in_wait_list, event_wait_list, event});
}

cl_int clEnqueueTask(cl_command_queue command_queue, cl_kernel kernel, cl_uint num_events_in_wait_list,
                     const cl_event* event_wait_list, cl_event* event) {
  return Launch(command_queue, kernel, CL_COMMAND_TASK, {num_events_in_wait_list, event_wait_list, event});
}

cl_int clEnqueueNativeKernel(cl_command_queue command_queue, NativeKernel user_func, void* args, size_t cb_args,
                             cl_uint num_mem_objects, const cl_mem* mem_list, const void** args_mem_loc,
                             cl_uint num_events_in_wait_list, const cl_event* event_wait_list, cl_event* event) {
  if ((args == nullptr) != (cb_args == 0) || (num_mem_objects > 0 && args_mem_loc == nullptr)) return CL_INVALID_VALUE;
  NativeCall call{user_func, args, {}, {}, {}};
  if (args != nullptr) call.args.assign(static_cast<char*>(args), static_cast<char*>(args) + cb_args);
  for (cl_uint i = 0; i < num_mem_objects; ++i) {
    const auto place = static_cast<size_t>(static_cast<const char*>(args_mem_loc[i]) - static_cast<char*>(args));
    if (cb_args < sizeof(void*) || place > cb_args - sizeof(void*)) return CL_INVALID_VALUE;
    call.mems.emplace_back(As<Mem>(mem_list[i]));
    call.places.push_back(place);
  }
  return Enqueue(As<Queue>(command_queue), CL_COMMAND_NATIVE_KERNEL, {num_events_in_wait_list, event_wait_list, event},
                 std::move(call));
}

cl_int clEnqueueMarkerWithWaitList(cl_command_queue command_queue, cl_uint num_events_in_wait_list,
                                   const cl_event* event_wait_list, cl_event* event) {
  return Enqueue(
      As<Queue>(command_queue), CL_COMMAND_MARKER, {num_events_in_wait_list, event_wait_list, event},
      [] { return CL_SUCCESS; }, num_events_in_wait_list == 0 ? Command::Order::kAfterAll : Command::Order::kNormal);
}

cl_int clEnqueueBarrierWithWaitList(cl_command_queue command_queue, cl_uint num_events_in_wait_list,
                                    const cl_event* event_wait_list, cl_event* event) {
  return Enqueue(
      As<Queue>(command_queue), CL_COMMAND_BARRIER, {num_events_in_wait_list, event_wait_list, event},
      [] { return CL_SUCCESS; }, Command::Order::kBarrier);
}

cl_int clEnqueueMarker(cl_command_queue command_queue, cl_event* event) {
  return impl::clEnqueueMarkerWithWaitList(command_queue, 0, nullptr, event);
}

cl_int clEnqueueBarrier(cl_command_queue command_queue) {
  return impl::clEnqueueBarrierWithWaitList(command_queue, 0, nullptr, nullptr);
}

cl_int clEnqueueWaitForEvents(cl_command_queue command_queue, cl_uint num_events, const cl_event* event_list) {
  return impl::clEnqueueBarrierWithWaitList(command_queue, num_events, event_list, nullptr);
}

}  // namespace impl
}  // namespace xpool::null_cl
