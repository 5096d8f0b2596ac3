// The kernel functions.
#include <cstring>

#include "absl/container/inlined_vector.h"
#include "generated/opencl/hooks.h"
#include "opencl/info.h"
#include "shim/opencl/kernel.h"
#include "shim/opencl/memory.h"
#include "shim/opencl/result.h"

namespace xpool::cl {
namespace {

using ObjectKind = ::xpool::cl::Kind;

// What a handle passed for an argument that takes |takes| must be; and the error when it is not.
struct Wanted {
  ObjectKind kind;
  cl_int invalid;
};

Wanted WantedFor(ArgTakes takes) {
  if (takes == ArgTakes::kSampler) return {ObjectKind::kSampler, CL_INVALID_SAMPLER};
  if (takes == ArgTakes::kQueue) return {ObjectKind::kQueue, CL_INVALID_DEVICE_QUEUE};
  return {ObjectKind::kMem, CL_INVALID_MEM_OBJECT};
}

// Whether |object| can be meant by an argument that is known not to be a pointer.
bool FitsNotPointer(const LiveObject& object) {
  return object.kind != ObjectKind::kMem || static_cast<const Mem&>(object).type != CL_MEM_OBJECT_BUFFER;
}

void SetObject(const LiveObject& object, ArgValue* value) {
  value->kind = ArgKind::kObject;
  value->object = &object;
  value->object_kind = object.kind;
  value->object_id = object.id;
  std::memcpy(value->bytes.data(), &object.driver_handle, sizeof(object.driver_handle));
}

ArgValue WithoutBytes(size_t size, const void* data) {
  ArgValue value;
  value.kind = ArgKind::kBytes;
  value.size = size;
  value.is_null = data == nullptr;
  return value;
}

void CopyBytes(const void* data, ArgValue* value) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  value->bytes.assign(bytes, bytes + value->size);
}

// Makes |value| the driver's handle where |data| holds one of ours. |object| keeps it alive meanwhile.
cl_int Translate(ArgTakes takes, const void* data, ArgValue* value, Ref<LiveObject>* object) {
  if (takes == ArgTakes::kBytes || value->is_null || value->size != sizeof(void*)) return CL_SUCCESS;
  CopyBytes(data, value);
  const void* handle = nullptr;
  std::memcpy(&handle, data, sizeof(handle));
  *object = FindLiveOfAnyKind(handle);
  if (takes == ArgTakes::kMaybe || takes == ArgTakes::kMaybeNotPointer) {
    const bool meant = *object && (takes == ArgTakes::kMaybe || FitsNotPointer(**object));
    if (meant) SetObject(**object, value);
    return CL_SUCCESS;
  }
  value->kind = ArgKind::kObject;
  const Wanted wanted = WantedFor(takes);
  if (handle == nullptr && takes == ArgTakes::kMem) return CL_SUCCESS;  // a NULL pointer in the kernel
  if (!*object || (*object)->kind != wanted.kind) return wanted.invalid;
  SetObject(**object, value);
  return CL_SUCCESS;
}

// Wraps the driver's new kernels.
std::vector<Kernel*> Wrap(Program* program, const std::vector<cl_kernel>& drivers) {
  std::vector<Kernel*> kernels;
  for (cl_kernel driver : drivers) kernels.push_back(new Kernel(program, driver));
  return kernels;
}

}  // namespace

namespace hook {

cl_kernel clCreateKernel(cl_program program, const char* kernel_name, cl_int* errcode_ret) {
  Program* own = UsableProgram(program);
  if (own == nullptr) return Fail(errcode_ret, CL_INVALID_PROGRAM);
  if (kernel_name == nullptr) return Fail(errcode_ret, CL_INVALID_VALUE);
  cl_int error = CL_SUCCESS;
  cl_kernel driver = own->api->clCreateKernel(own->driver, kernel_name, &error);
  if (driver == nullptr) return Fail(errcode_ret, error);
  return Succeed(errcode_ret, new Kernel(own, driver));
}

cl_int clCreateKernelsInProgram(cl_program program, cl_uint num_kernels, cl_kernel* kernels, cl_uint* num_kernels_ret) {
  Program* own = UsableProgram(program);
  if (own == nullptr) return CL_INVALID_PROGRAM;
  cl_uint count = 0;
  cl_int error = own->api->clCreateKernelsInProgram(own->driver, 0, nullptr, &count);
  if (error != CL_SUCCESS) return error;
  if (kernels != nullptr && num_kernels < count) return CL_INVALID_VALUE;
  if (num_kernels_ret != nullptr) *num_kernels_ret = count;
  if (kernels == nullptr) return CL_SUCCESS;
  std::vector<cl_kernel> drivers(count);
  error = own->api->clCreateKernelsInProgram(own->driver, count, drivers.data(), nullptr);
  if (error != CL_SUCCESS) return error;
  for (Kernel* kernel : Wrap(own, drivers)) *kernels++ = ToHandle(kernel);
  return CL_SUCCESS;
}

cl_kernel clCloneKernel(cl_kernel source_kernel, cl_int* errcode_ret) {
  Kernel* own = UsableKernel(source_kernel);
  if (own == nullptr) return Fail(errcode_ret, CL_INVALID_KERNEL);
  // Not the driver's clCloneKernel: older ones have none, and PoCL 3.1's clones crash when launched.
  cl_int error = CL_SUCCESS;
  cl_kernel driver = own->api->clCreateKernel(own->program->driver, own->name.c_str(), &error);
  if (driver == nullptr) return Fail(errcode_ret, error);
  const Ref<Kernel> clone = Ref<Kernel>::Adopt(new Kernel(own->program.get(), driver));
  error = clone->CopyValues(own);
  if (error != CL_SUCCESS) return Fail(errcode_ret, error);
  clone->refs.fetch_add(1);  // the program's API reference
  return Succeed(errcode_ret, clone.get());
}

cl_int clSetKernelArg(cl_kernel kernel, cl_uint arg_index, size_t arg_size, const void* arg_value) {
  Kernel* own = UsableKernel(kernel);
  if (own == nullptr) return CL_INVALID_KERNEL;
  if (arg_index >= own->takes.size()) return CL_INVALID_ARG_INDEX;
  Ref<LiveObject> object;
  ArgValue value = WithoutBytes(arg_size, arg_value);
  if (const cl_int invalid = Translate(own->takes[arg_index], arg_value, &value, &object); invalid != CL_SUCCESS) {
    return invalid;
  }
  const bool is_handle = value.kind == ArgKind::kObject;
  const cl_int error =
      own->api->clSetKernelArg(own->driver, arg_index, arg_size, is_handle ? value.bytes.data() : arg_value);
  if (error != CL_SUCCESS) return error;
  // Read only now: the driver has found the size right.
  if (!is_handle && !value.is_null) CopyBytes(arg_value, &value);
  own->Store(arg_index, std::move(value));
  return CL_SUCCESS;
}

cl_int clSetKernelArgSVMPointer(cl_kernel kernel, cl_uint arg_index, const void* arg_value) {
  Kernel* own = UsableKernel(kernel);
  if (own == nullptr) return CL_INVALID_KERNEL;
  if (arg_index >= own->takes.size()) return CL_INVALID_ARG_INDEX;
  const cl_int error = own->api->clSetKernelArgSVMPointer(own->driver, arg_index, arg_value);
  if (error != CL_SUCCESS) return error;
  ArgValue value = WithoutBytes(sizeof(arg_value), &arg_value);
  CopyBytes(&arg_value, &value);
  value.kind = ArgKind::kSvm;
  own->Store(arg_index, std::move(value));
  return CL_SUCCESS;
}

cl_int clSetKernelExecInfo(cl_kernel kernel, cl_kernel_exec_info param_name, size_t param_value_size,
                           const void* param_value) {
  Kernel* own = UsableKernel(kernel);
  if (own == nullptr) return CL_INVALID_KERNEL;
  const cl_int error = own->api->clSetKernelExecInfo(own->driver, param_name, param_value_size, param_value);
  if (error != CL_SUCCESS) return error;
  const auto* bytes = static_cast<const unsigned char*>(param_value);
  own->Store(ExecInfo{param_name, 0, {bytes, bytes + param_value_size}});
  return CL_SUCCESS;
}

cl_int clGetKernelInfo(cl_kernel kernel, cl_kernel_info param_name, size_t param_value_size, void* param_value,
                       size_t* param_value_size_ret) {
  const Kernel* own = UsableKernel(kernel);
  if (own == nullptr) return CL_INVALID_KERNEL;
  const InfoOut out(param_value_size, param_value, param_value_size_ret);
  switch (param_name) {
    case CL_KERNEL_REFERENCE_COUNT:
      return out.Value(cl_uint{own->api_refs.load()});
    case CL_KERNEL_CONTEXT:
      return out.Value(ToHandle(own->program->context.get()));
    case CL_KERNEL_PROGRAM:
      return out.Value(ToHandle(own->program.get()));
    default:
      return own->api->clGetKernelInfo(own->driver, param_name, param_value_size, param_value, param_value_size_ret);
  }
}

}  // namespace hook
}  // namespace xpool::cl
