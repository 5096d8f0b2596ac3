// Kernels and their arguments. What a program's build has told of its kernels makes it possible to create one and to
// set its arguments without waiting: what is surely right is sent, what is surely wrong is refused, and what is neither
// is asked about once, and then remembered for all kernels of that function.

#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "backend/remote/calls.h"
#include "opencl/type_size.h"

namespace xpool::remote {

using wire_cl::ArgSheet;
using wire_cl::CallId;
using wire_cl::KernelSheet;

namespace {

std::shared_ptr<ProgramFacts> FactsOf(Program* program) {
  MutexLock lock(&program->mutex);
  return program->facts;
}

const KernelSheet* SheetIn(const std::shared_ptr<ProgramFacts>& facts, const std::string& name) {
  if (facts == nullptr) return nullptr;
  const auto found = facts->kernels.find(name);
  return found == facts->kernels.end() ? nullptr : &found->second;
}

Kernel* NewKernel(Program* program, const std::string& name) {
  std::shared_ptr<ProgramFacts> facts = FactsOf(program);
  const KernelSheet* const sheet = SheetIn(facts, name);
  return new Kernel(program, name, std::move(facts), sheet);
}

cl_kernel CL_API_CALL CreateKernel(cl_program program, const char* name, cl_int* errcode_ret) {
  Program* const own = From<Program>(program);
  if (name == nullptr) return Fail<cl_kernel>(errcode_ret, CL_INVALID_VALUE);
  const std::shared_ptr<ProgramFacts> facts = FactsOf(own);
  if (facts != nullptr && facts->complete && SheetIn(facts, name) == nullptr)
    return Fail<cl_kernel>(errcode_ret, CL_INVALID_KERNEL_NAME);
  Kernel* const kernel = NewKernel(own, name);
  const cl_int status = MakeOn(own->BuiltOn(), kernel, [&](ClLink* link, const CallOptions& options) {
    return kernel->sheet != nullptr
               ? ErrorOf(XPOOL_SEND(link, options, clCreateKernel, program, name, nullptr).status())
               : XPOOL_ASK(link, options, clCreateKernel, program, name, nullptr);
  });
  return Return<cl_kernel>(kernel, status, errcode_ret);
}

cl_int CL_API_CALL CreateKernelsInProgram(cl_program program, cl_uint count, cl_kernel* kernels, cl_uint* found) {
  Program* const own = From<Program>(program);
  // By name, one by one: so every node of the context makes the same ones in the same order.
  size_t bytes = 0;
  const cl::DispatchTable& api = RemotePlatform::Api();
  cl_int status = api.clGetProgramInfo(program, CL_PROGRAM_KERNEL_NAMES, 0, nullptr, &bytes);
  if (status != CL_SUCCESS) return status;
  std::string names(bytes, 0);
  status = api.clGetProgramInfo(program, CL_PROGRAM_KERNEL_NAMES, bytes, names.data(), nullptr);
  if (status != CL_SUCCESS) return status;
  std::vector<std::string> list;
  for (size_t at = 0; at < names.size() && names[at] != 0;) {
    const size_t end = names.find_first_of(std::string(";\0", 2), at);
    list.push_back(names.substr(at, end - at));
    at = end == std::string::npos || names[end] == 0 ? names.size() : end + 1;
  }
  if (found != nullptr) *found = static_cast<cl_uint>(list.size());
  if (kernels == nullptr) return CL_SUCCESS;
  if (count < list.size()) return CL_INVALID_VALUE;
  for (size_t i = 0; i < list.size(); ++i) {
    kernels[i] = CreateKernel(To<cl_program>(own), list[i].c_str(), &status);
    if (kernels[i] != nullptr) continue;
    while (i-- > 0) Release(From<Kernel>(kernels[i]));
    return status;
  }
  return CL_SUCCESS;
}

cl_int CL_API_CALL RetainKernel(cl_kernel kernel) { return Retain(From<Kernel>(kernel)); }
cl_int CL_API_CALL ReleaseKernel(cl_kernel kernel) { return Release(From<Kernel>(kernel)); }

// --- Arguments ------------------------------------------------------------------------------------------------------

enum class Judgement { kRight, kWrong, kUnknown };

struct Value {
  size_t size;
  const void* data;
  const void* object = nullptr;       // what it names ...
  ValueKind kind = ValueKind::kNone;  // ... and is
};

// What the value is: a handle only where the argument takes one.
Value ReadValue(const ArgSheet* arg, size_t size, const void* data) {
  Value value{size, data};
  const bool may_name = arg == nullptr || arg->takes != ArgSheet::Takes::kBytes;
  if (!may_name || data == nullptr || size != sizeof(void*)) return value;
  std::memcpy(&value.object, data, sizeof(value.object));
  value.kind = LiveArguments::KindOf(value.object);
  if (arg == nullptr) return value;
  switch (arg->takes) {  // also NULL, and what is no object any more: the worker must not take it for bytes
    case ArgSheet::Takes::kMem:
      value.kind = ValueKind::kMem;
      break;
    case ArgSheet::Takes::kSampler:
      value.kind = ValueKind::kSampler;
      break;
    case ArgSheet::Takes::kQueue:
      value.kind = ValueKind::kQueue;
      break;
    default:
      break;
  }
  return value;
}

Judgement JudgeLocal(const Value& value, cl_int* error) {
  *error = value.data != nullptr ? CL_INVALID_ARG_VALUE : CL_INVALID_ARG_SIZE;
  return value.data == nullptr && value.size > 0 ? Judgement::kRight : Judgement::kWrong;
}

Judgement JudgePointer(const Value& value, cl_int* error) {
  *error = CL_INVALID_ARG_SIZE;
  if (value.size != sizeof(cl_mem)) return Judgement::kWrong;
  if (value.data == nullptr || value.object == nullptr) return Judgement::kRight;
  const bool buffer = LiveArguments::KindOf(value.object) == ValueKind::kMem &&
                      static_cast<const Mem*>(static_cast<const Object*>(value.object))->type == CL_MEM_OBJECT_BUFFER;
  return buffer ? Judgement::kRight : Judgement::kUnknown;
}

Judgement Judge(const ArgSheet& arg, const Value& value, cl_int* error) {
  if (!arg.has_info) return Judgement::kUnknown;
  switch (arg.address) {
    case CL_KERNEL_ARG_ADDRESS_LOCAL:
      return JudgeLocal(value, error);
    case CL_KERNEL_ARG_ADDRESS_GLOBAL:
    case CL_KERNEL_ARG_ADDRESS_CONSTANT:
      return arg.takes == ArgSheet::Takes::kMem ? JudgePointer(value, error) : Judgement::kUnknown;
    default:
      break;
  }
  const std::optional<size_t> size = TypeBytes(arg.type_name);
  if (arg.takes != ArgSheet::Takes::kBytes || !size.has_value()) return Judgement::kUnknown;
  *error = value.data == nullptr ? CL_INVALID_ARG_VALUE : CL_INVALID_ARG_SIZE;
  return value.data != nullptr && value.size == *size ? Judgement::kRight : Judgement::kWrong;
}

// What a worker's acceptance of one value says about others.
std::string ArgumentKey(const Kernel& kernel, cl_uint index, const Value& value) {
  uint64_t type = 0;
  if (value.kind == ValueKind::kMem && value.object != nullptr &&
      LiveArguments::KindOf(value.object) == ValueKind::kMem) {
    const auto& mem = *static_cast<const Mem*>(static_cast<const Object*>(value.object));
    type = mem.type ^ mem.flags << 16 ^ uint64_t { mem.format.image_channel_order } << 32;
  }
  return absl::StrCat(kernel.name, "/", index, "/", value.size, "/", value.data == nullptr, "/",
                      value.object == nullptr, "/", static_cast<int>(value.kind), "/", type);
}

// The handle of what the value names; 0 for nothing.
uint64_t NamedBy(const Value& value) {
  if (value.kind == ValueKind::kNone || value.object == nullptr) return 0;
  const auto* const object = static_cast<const Object*>(value.object);
  return object->parts.empty() ? 0 : object->parts.front().handle.bits;
}

bool SameAsBefore(Kernel* kernel, cl_uint index, const Value& value) {
  MutexLock lock(&kernel->mutex);
  if (index >= kernel->arguments.size()) return false;
  const Kernel::Argument& before = kernel->arguments[index];
  if (!before.set || before.size != value.size || before.is_null != (value.data == nullptr)) return false;
  if (before.named != NamedBy(value)) return false;
  return value.data == nullptr || std::memcmp(before.bytes.data(), value.data, value.size) == 0;
}

void Keep(Kernel* kernel, cl_uint index, const Value& value) {
  MutexLock lock(&kernel->mutex);
  if (index >= kernel->arguments.size()) return;
  Kernel::Argument& argument = kernel->arguments[index];
  argument.set = true;
  argument.size = value.size;
  argument.is_null = value.data == nullptr;
  argument.named = NamedBy(value);
  if (value.data != nullptr) {
    const auto* const bytes = static_cast<const unsigned char*>(value.data);
    argument.bytes.assign(bytes, bytes + value.size);
  }
  if (!kernel->program->context->spans_nodes()) return;
  const bool names_mem = value.kind == ValueKind::kMem && LiveArguments::KindOf(value.object) == ValueKind::kMem;
  argument.mem =
      names_mem ? Ref<Mem>(From<Mem>(reinterpret_cast<cl_mem>(const_cast<void*>(value.object)))) : Ref<Mem>();
}

// Sets it at every node that has the kernel; waits for the answers if |ask|.
cl_int Set(Kernel* kernel, cl_uint index, const Value& value, bool ask) {
  CallOptions options;
  options.argument = value.kind;
  for (const Object::Part& part : kernel->parts) {
    ClLink* const link = part.link;
    const cl_kernel handle = To<cl_kernel>(kernel);
    const cl_int status =
        ask ? XPOOL_ASK(link, options, clSetKernelArg, handle, index, value.size, value.data)
            : ErrorOf(XPOOL_SEND(link, options, clSetKernelArg, handle, index, value.size, value.data).status());
    if (status != CL_SUCCESS) return status;
  }
  return CL_SUCCESS;
}

cl_int SetUnknown(Kernel* kernel, cl_uint index, const Value& value) {
  if (kernel->facts == nullptr) return Set(kernel, index, value, /*ask=*/true);
  const std::string key = ArgumentKey(*kernel, index, value);
  bool accepted = false;
  {
    MutexLock lock(&kernel->facts->mutex);
    accepted = kernel->facts->accepted.contains(key);
  }
  const cl_int status = Set(kernel, index, value, !accepted);
  if (status != CL_SUCCESS || accepted) return status;
  MutexLock lock(&kernel->facts->mutex);
  kernel->facts->accepted[key] = true;
  return status;
}

cl_int CL_API_CALL SetKernelArg(cl_kernel kernel, cl_uint index, size_t size, const void* data) {
  Kernel* const own = From<Kernel>(kernel);
  const ArgSheet* arg = nullptr;
  if (own->sheet != nullptr) {
    if (index >= own->sheet->args.size()) return CL_INVALID_ARG_INDEX;
    arg = &own->sheet->args[index];
  }
  const Value value = ReadValue(arg, size, data);
  cl_int error = CL_SUCCESS;
  const Judgement judgement = arg == nullptr ? Judgement::kUnknown : Judge(*arg, value, &error);
  if (judgement == Judgement::kWrong) return error;
  if (SameAsBefore(own, index, value)) return CL_SUCCESS;
  const cl_int status =
      judgement == Judgement::kRight ? Set(own, index, value, /*ask=*/false) : SetUnknown(own, index, value);
  if (status == CL_SUCCESS) Keep(own, index, value);
  return status;
}

cl_int CL_API_CALL SetKernelExecInfo(cl_kernel kernel, cl_kernel_exec_info param, size_t size, const void* value) {
  for (const Object::Part& part : From<Kernel>(kernel)->parts) {
    const cl_int status = XPOOL_ASK(part.link, {}, clSetKernelExecInfo, kernel, param, size, value);
    if (status != CL_SUCCESS) return status;
  }
  return CL_SUCCESS;
}

// --- Information ----------------------------------------------------------------------------------------------------

cl_int CL_API_CALL GetKernelInfo(cl_kernel kernel, cl_kernel_info param, size_t size, void* value, size_t* size_ret) {
  Kernel* const own = From<Kernel>(kernel);
  const InfoOut out(size, value, size_ret);
  if (param == CL_KERNEL_FUNCTION_NAME) return out.String(own->name);
  if (param == CL_KERNEL_NUM_ARGS && own->sheet != nullptr)
    return out.Value(static_cast<cl_uint>(own->sheet->args.size()));
  ClLink* const link = own->parts.front().link;
  return Remembered(
      &own->info, InfoKey(CallId::clGetKernelInfo, param), size, value, size_ret,
      [&](size_t n, void* v, size_t* r) { return XPOOL_ASK(link, {}, clGetKernelInfo, kernel, param, n, v, r); });
}

cl_int CL_API_CALL GetKernelArgInfo(cl_kernel kernel, cl_uint index, cl_kernel_arg_info param, size_t size, void* value,
                                    size_t* size_ret) {
  Kernel* const own = From<Kernel>(kernel);
  const InfoOut out(size, value, size_ret);
  if (own->sheet != nullptr && index < own->sheet->args.size() && own->sheet->args[index].has_info) {
    const ArgSheet& arg = own->sheet->args[index];
    switch (param) {
      case CL_KERNEL_ARG_ADDRESS_QUALIFIER:
        return out.Value(cl_kernel_arg_address_qualifier{arg.address});
      case CL_KERNEL_ARG_ACCESS_QUALIFIER:
        return out.Value(cl_kernel_arg_access_qualifier{arg.access});
      case CL_KERNEL_ARG_TYPE_QUALIFIER:
        return out.Value(cl_kernel_arg_type_qualifier{arg.type_qualifier});
      case CL_KERNEL_ARG_TYPE_NAME:
        return out.String(arg.type_name);
      case CL_KERNEL_ARG_NAME:
        return out.String(arg.name);
      default:
        return CL_INVALID_VALUE;
    }
  }
  ClLink* const link = own->parts.front().link;
  return Remembered(&own->info, InfoKey(CallId::clGetKernelArgInfo, param, index), size, value, size_ret,
                    [&](size_t n, void* v, size_t* r) {
                      return XPOOL_ASK(link, {}, clGetKernelArgInfo, kernel, index, param, n, v, r);
                    });
}

// The device that a query of |kernel| is about; nullptr: CL_INVALID_DEVICE. NULL is the only one that the kernel's
// program is for.
Device* DeviceOf(const Kernel& kernel, cl_device_id device) {
  const std::vector<Device*>& devices = kernel.program->devices;
  if (device == nullptr) return devices.size() == 1 ? devices.front() : nullptr;
  Device* const named = From<Device>(device);
  return kernel.HandleOn(named->link).is_null() ? nullptr : named;
}

cl_int CL_API_CALL GetKernelWorkGroupInfo(cl_kernel kernel, cl_device_id device, cl_kernel_work_group_info param,
                                          size_t size, void* value, size_t* size_ret) {
  Kernel* const own = From<Kernel>(kernel);
  Device* const on = DeviceOf(*own, device);
  if (on == nullptr) return CL_INVALID_DEVICE;
  device = To<cl_device_id>(on);
  return Remembered(&own->info, InfoKey(CallId::clGetKernelWorkGroupInfo, param, on->number), size, value, size_ret,
                    [&](size_t n, void* v, size_t* r) {
                      return XPOOL_ASK(on->link, {}, clGetKernelWorkGroupInfo, kernel, device, param, n, v, r);
                    });
}

cl_int CL_API_CALL GetKernelSubGroupInfo(cl_kernel kernel, cl_device_id device, cl_kernel_sub_group_info param,
                                         size_t input_size, const void* input, size_t size, void* value,
                                         size_t* size_ret) {
  Device* const on = DeviceOf(*From<Kernel>(kernel), device);
  if (on == nullptr) return CL_INVALID_DEVICE;
  return XPOOL_ASK(on->link, {}, clGetKernelSubGroupInfo, kernel, To<cl_device_id>(on), param, input_size, input, size,
                   value, size_ret);
}

cl_int CL_API_CALL GetSuggestedLocalWorkSize(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions,
                                             const size_t* offset, const size_t* global, size_t* suggested) {
  return XPOOL_ASK(From<Queue>(queue)->link, {}, clGetKernelSuggestedLocalWorkSizeKHR, queue, kernel, dimensions,
                   offset, global, suggested);
}

}  // namespace

void FillKernelCalls(cl::DispatchTable* table) {
  table->clCreateKernel = &CreateKernel;
  table->clCreateKernelsInProgram = &CreateKernelsInProgram;
  table->clRetainKernel = &RetainKernel;
  table->clReleaseKernel = &ReleaseKernel;
  table->clSetKernelArg = &SetKernelArg;
  table->clSetKernelExecInfo = &SetKernelExecInfo;
  table->clGetKernelInfo = &GetKernelInfo;
  table->clGetKernelArgInfo = &GetKernelArgInfo;
  table->clGetKernelWorkGroupInfo = &GetKernelWorkGroupInfo;
  table->clGetKernelSubGroupInfo = &GetKernelSubGroupInfo;
  table->clGetKernelSuggestedLocalWorkSizeKHR = &GetSuggestedLocalWorkSize;
}

}  // namespace xpool::remote
