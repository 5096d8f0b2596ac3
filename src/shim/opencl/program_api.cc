// Programs: making them, asking about them, releasing them. program_build.cc compiles and links them.
#include "generated/opencl/hooks.h"
#include "opencl/info.h"
#include "shim/opencl/driver_info.h"
#include "shim/opencl/program.h"
#include "shim/opencl/program_options.h"
#include "shim/opencl/result.h"

namespace xpool::cl {

Program::Program(Context* context, cl_program driver, bool from_source)
    : Object(kKind), context(context), api(context->api), driver(driver), from_source(from_source) {}

Program::~Program() {
  if (OfThisProcess(*this)) api->clReleaseProgram(driver);
  std::vector<std::pair<ReleaseCallback, void*>> callbacks;
  {
    MutexLock lock(&mutex);
    callbacks.swap(release_callbacks);
  }
  for (auto it = callbacks.rbegin(); it != callbacks.rend(); ++it) it->first(ToHandle(this), it->second);
}

namespace {

// Ends a create call with the object around what |create|(errcode_ret) got from the driver.
template <typename Create>
cl_program CreateProgram(Context* context, bool from_source, cl_int* errcode_ret, const Create& create) {
  cl_int error = CL_SUCCESS;
  cl_program driver = create(&error);
  if (driver == nullptr) return Fail(errcode_ret, error);
  return Succeed(errcode_ret, new Program(context, driver, from_source));
}

// The program's devices as our handles, in the driver's order, which is that of the binaries.
cl_int ReturnDevices(const Program& program, const InfoOut& out) {
  const auto handles = QueryArray<cl_device_id>([&](size_t size, void* value, size_t* size_ret) {
    return program.api->clGetProgramInfo(program.driver, CL_PROGRAM_DEVICES, size, value, size_ret);
  });
  std::vector<cl_device_id> own;
  for (cl_device_id handle : handles) own.push_back(ToHandle(program.context->FromDriverDevice(handle)));
  return out.Array(own);
}

// The options of the last build without what the shim added.
cl_int ReturnOptions(const Program& program, cl_device_id driver_device, const InfoOut& out) {
  size_t size = 0;
  const auto query = [&](size_t bytes, void* value, size_t* size_ret) {
    return program.api->clGetProgramBuildInfo(program.driver, driver_device, CL_PROGRAM_BUILD_OPTIONS, bytes, value,
                                              size_ret);
  };
  if (const cl_int error = query(0, nullptr, &size); error != CL_SUCCESS) return error;
  const std::string options = QueryString(query);
  return out.String(program.options_extended ? WithoutArgInfo(options) : options);
}

}  // namespace

namespace hook {

cl_program clCreateProgramWithSource(cl_context context, cl_uint count, const char** strings, const size_t* lengths,
                                     cl_int* errcode_ret) {
  Context* own = UsableContext(context);
  if (own == nullptr) return Fail(errcode_ret, CL_INVALID_CONTEXT);
  return CreateProgram(own, true, errcode_ret, [&](cl_int* error) {
    return own->api->clCreateProgramWithSource(own->driver, count, strings, lengths, error);
  });
}

cl_program clCreateProgramWithBinary(cl_context context, cl_uint num_devices, const cl_device_id* device_list,
                                     const size_t* lengths, const unsigned char** binaries, cl_int* binary_status,
                                     cl_int* errcode_ret) {
  Context* own = UsableContext(context);
  if (own == nullptr) return Fail(errcode_ret, CL_INVALID_CONTEXT);
  if (num_devices == 0 || device_list == nullptr) return Fail(errcode_ret, CL_INVALID_VALUE);
  std::vector<cl_device_id> devices;
  if (!DriverDevices(*own, num_devices, device_list, &devices)) return Fail(errcode_ret, CL_INVALID_DEVICE);
  return CreateProgram(own, false, errcode_ret, [&](cl_int* error) {
    return own->api->clCreateProgramWithBinary(own->driver, num_devices, devices.data(), lengths, binaries,
                                               binary_status, error);
  });
}

cl_program clCreateProgramWithBuiltInKernels(cl_context context, cl_uint num_devices, const cl_device_id* device_list,
                                             const char* kernel_names, cl_int* errcode_ret) {
  Context* own = UsableContext(context);
  if (own == nullptr) return Fail(errcode_ret, CL_INVALID_CONTEXT);
  if (num_devices == 0 || device_list == nullptr) return Fail(errcode_ret, CL_INVALID_VALUE);
  std::vector<cl_device_id> devices;
  if (!DriverDevices(*own, num_devices, device_list, &devices)) return Fail(errcode_ret, CL_INVALID_DEVICE);
  return CreateProgram(own, false, errcode_ret, [&](cl_int* error) {
    return own->api->clCreateProgramWithBuiltInKernels(own->driver, num_devices, devices.data(), kernel_names, error);
  });
}

cl_program clCreateProgramWithIL(cl_context context, const void* il, size_t length, cl_int* errcode_ret) {
  Context* own = UsableContext(context);
  if (own == nullptr) return Fail(errcode_ret, CL_INVALID_CONTEXT);
  return CreateProgram(own, false, errcode_ret,
                       [&](cl_int* error) { return own->api->clCreateProgramWithIL(own->driver, il, length, error); });
}

cl_int clGetProgramInfo(cl_program program, cl_program_info param_name, size_t param_value_size, void* param_value,
                        size_t* param_value_size_ret) {
  const Program* own = UsableProgram(program);
  if (own == nullptr) return CL_INVALID_PROGRAM;
  const InfoOut out(param_value_size, param_value, param_value_size_ret);
  switch (param_name) {
    case CL_PROGRAM_REFERENCE_COUNT:
      return out.Value(cl_uint{own->api_refs.load()});
    case CL_PROGRAM_CONTEXT:
      return out.Value(ToHandle(own->context.get()));
    case CL_PROGRAM_DEVICES:
      return ReturnDevices(*own, out);
    default:
      return own->api->clGetProgramInfo(own->driver, param_name, param_value_size, param_value, param_value_size_ret);
  }
}

cl_int clGetProgramBuildInfo(cl_program program, cl_device_id device, cl_program_build_info param_name,
                             size_t param_value_size, void* param_value, size_t* param_value_size_ret) {
  const Program* own = UsableProgram(program);
  if (own == nullptr) return CL_INVALID_PROGRAM;
  const Device* own_device = own->context->FindDevice(device);
  if (own_device == nullptr) return CL_INVALID_DEVICE;
  if (param_name == CL_PROGRAM_BUILD_OPTIONS) {
    return ReturnOptions(*own, own_device->driver, InfoOut(param_value_size, param_value, param_value_size_ret));
  }
  return own->api->clGetProgramBuildInfo(own->driver, own_device->driver, param_name, param_value_size, param_value,
                                         param_value_size_ret);
}

cl_int clSetProgramReleaseCallback(cl_program program, ProgramCallback pfn_notify, void* user_data) {
  Program* own = FromHandle<Program>(program);
  if (own == nullptr) return CL_INVALID_PROGRAM;
  if (pfn_notify == nullptr) return CL_INVALID_VALUE;
  MutexLock lock(&own->mutex);
  own->release_callbacks.emplace_back(pfn_notify, user_data);
  return CL_SUCCESS;
}

cl_int clUnloadCompiler() {
  const Platform* platform = Platform::Current();
  return platform == nullptr ? CL_SUCCESS : platform->api->clUnloadCompiler();
}

}  // namespace hook
}  // namespace xpool::cl
