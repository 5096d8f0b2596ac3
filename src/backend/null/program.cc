// Programs of the null driver: source is scanned for kernels, nothing is compiled. A binary is a mark and the source.
#include "backend/null/engine.h"
#include "opencl/info.h"

namespace xpool::null_cl {
namespace {

constexpr char kBinaryMark[] = "XPOOLNULL1\n";
constexpr size_t kBinaryMarkSize = sizeof(kBinaryMark) - 1;

// The text of one of the strings of clCreateProgramWithSource.
std::string SourcePart(const char* string, const size_t* lengths, cl_uint index) {
  const size_t length = lengths == nullptr ? 0 : lengths[index];
  return length == 0 ? std::string(string) : std::string(string, length);
}

// "Compiles": finds kernels; fails on #error, which lets tests see a failing build.
cl_int Build(Program* program, const char* options, cl_program_binary_type type) {
  const std::lock_guard lock(program->mutex);
  if (program->kernel_objects != 0) return CL_INVALID_OPERATION;
  program->options = options == nullptr ? "" : options;
  program->kernels = ScanKernels(program->source);
  if (const size_t at = program->source.find("#error"); at != std::string::npos) {
    program->status = CL_BUILD_ERROR;
    program->log = "error: " + program->source.substr(at, program->source.find('\n', at) - at);
    return type == CL_PROGRAM_BINARY_TYPE_EXECUTABLE ? CL_BUILD_PROGRAM_FAILURE : CL_COMPILE_PROGRAM_FAILURE;
  }
  program->status = CL_BUILD_SUCCESS;
  program->binary_type = type;
  program->log.clear();
  return CL_SUCCESS;
}

// A build that has a callback reports its failure there and in the build's status only.
cl_int Notify(cl_program program, cl_int result, ProgramCallback pfn_notify, void* user_data) {
  if (pfn_notify == nullptr || result == CL_INVALID_OPERATION) return result;
  pfn_notify(program, user_data);
  return CL_SUCCESS;
}

cl_int CheckDevices(cl_uint num_devices, const cl_device_id* devices) {
  for (cl_uint i = 0; i < num_devices; ++i) {
    if (devices[i] != ToHandle(Device::Get())) return CL_INVALID_DEVICE;
  }
  return CL_SUCCESS;
}

// CL_PROGRAM_BINARIES: the value is an array of pointers to write through.
cl_int WriteBinaries(const std::string& binary, const InfoOut& reply) {
  if (reply.value() != nullptr && reply.size() < sizeof(char*)) return CL_INVALID_VALUE;
  if (reply.size_ret() != nullptr) *reply.size_ret() = sizeof(char*);
  if (reply.value() == nullptr) return CL_SUCCESS;
  if (char* target = *static_cast<char**>(reply.value()); target != nullptr) binary.copy(target, binary.size());
  return CL_SUCCESS;
}

std::string KernelNames(const std::vector<KernelSignature>& kernels) {
  std::string names;
  for (const KernelSignature& kernel : kernels) names += (names.empty() ? "" : ";") + kernel.name;
  return names;
}

}  // namespace

Program::~Program() {
  for (auto it = release_callbacks.rbegin(); it != release_callbacks.rend(); ++it)
    it->first(ToHandle(this), it->second);
}

namespace impl {

cl_program clCreateProgramWithSource(cl_context context, cl_uint count, const char** strings, const size_t* lengths,
                                     cl_int* errcode_ret) {
  if (count == 0) return Fail(errcode_ret, CL_INVALID_VALUE);
  std::string source;
  for (cl_uint i = 0; i < count; ++i) {
    if (strings[i] == nullptr) return Fail(errcode_ret, CL_INVALID_VALUE);
    source += SourcePart(strings[i], lengths, i);
  }
  return Succeed(errcode_ret, new Program(As<Context>(context), std::move(source)));
}

cl_program clCreateProgramWithBinary(cl_context context, cl_uint num_devices, const cl_device_id*,
                                     const size_t* lengths, const unsigned char** binaries, cl_int* binary_status,
                                     cl_int* errcode_ret) {
  if (num_devices != 1 || lengths[0] == 0 || binaries[0] == nullptr) return Fail(errcode_ret, CL_INVALID_VALUE);
  const std::string binary(reinterpret_cast<const char*>(binaries[0]), lengths[0]);
  const bool ours = binary.starts_with(kBinaryMark);
  if (binary_status != nullptr) *binary_status = ours ? CL_SUCCESS : CL_INVALID_BINARY;
  if (!ours) return Fail(errcode_ret, CL_INVALID_BINARY);
  auto* program = new Program(As<Context>(context), binary.substr(kBinaryMarkSize));
  program->binary_type = CL_PROGRAM_BINARY_TYPE_EXECUTABLE;
  return Succeed(errcode_ret, program);
}

cl_int clBuildProgram(cl_program program, cl_uint num_devices, const cl_device_id* device_list, const char* options,
                      ProgramCallback pfn_notify, void* user_data) {
  if (pfn_notify == nullptr && user_data != nullptr) return CL_INVALID_VALUE;
  if (const cl_int error = CheckDevices(num_devices, device_list); error != CL_SUCCESS) return error;
  return Notify(program, Build(As<Program>(program), options, CL_PROGRAM_BINARY_TYPE_EXECUTABLE), pfn_notify,
                user_data);
}

cl_int clCompileProgram(cl_program program, cl_uint num_devices, const cl_device_id* device_list, const char* options,
                        cl_uint, const cl_program*, const char** header_include_names, ProgramCallback pfn_notify,
                        void* user_data) {
  if (pfn_notify == nullptr && user_data != nullptr) return CL_INVALID_VALUE;
  (void)header_include_names;  // headers are not looked into: a scan needs none
  if (const cl_int error = CheckDevices(num_devices, device_list); error != CL_SUCCESS) return error;
  return Notify(program, Build(As<Program>(program), options, CL_PROGRAM_BINARY_TYPE_COMPILED_OBJECT), pfn_notify,
                user_data);
}

cl_program clLinkProgram(cl_context context, cl_uint num_devices, const cl_device_id* device_list, const char* options,
                         cl_uint num_input_programs, const cl_program* input_programs, ProgramCallback pfn_notify,
                         void* user_data, cl_int* errcode_ret) {
  if (pfn_notify == nullptr && user_data != nullptr) return Fail(errcode_ret, CL_INVALID_VALUE);
  if (const cl_int error = CheckDevices(num_devices, device_list); error != CL_SUCCESS) return Fail(errcode_ret, error);
  std::string source;
  for (cl_uint i = 0; i < num_input_programs; ++i) {
    Program& input = *As<Program>(input_programs[i]);
    const std::lock_guard lock(input.mutex);
    if (input.binary_type == CL_PROGRAM_BINARY_TYPE_NONE) return Fail(errcode_ret, CL_INVALID_OPERATION);
    source += input.source + "\n";
  }
  auto* program = new Program(As<Context>(context), std::move(source));
  const bool library = options != nullptr && std::string(options).find("-create-library") != std::string::npos;
  Build(program, options, library ? CL_PROGRAM_BINARY_TYPE_LIBRARY : CL_PROGRAM_BINARY_TYPE_EXECUTABLE);
  Notify(ToHandle(program), CL_SUCCESS, pfn_notify, user_data);
  return Succeed(errcode_ret, program);
}

cl_int clSetProgramReleaseCallback(cl_program handle, ProgramCallback pfn_notify, void* user_data) {
  Program& program = *As<Program>(handle);
  const std::lock_guard lock(program.mutex);
  program.release_callbacks.emplace_back(pfn_notify, user_data);
  return CL_SUCCESS;
}

cl_int clGetProgramInfo(cl_program handle, cl_program_info param_name, size_t param_value_size, void* param_value,
                        size_t* param_value_size_ret) {
  Program& program = *As<Program>(handle);
  const InfoOut reply(param_value_size, param_value, param_value_size_ret);
  const std::lock_guard lock(program.mutex);
  const bool built = program.binary_type != CL_PROGRAM_BINARY_TYPE_NONE;
  const bool executable =
      program.status == CL_BUILD_SUCCESS && program.binary_type == CL_PROGRAM_BINARY_TYPE_EXECUTABLE;
  switch (param_name) {
    case CL_PROGRAM_REFERENCE_COUNT:
      return reply.Value(cl_uint{program.api_refs});
    case CL_PROGRAM_CONTEXT:
      return reply.Value(ToHandle(program.context.get()));
    case CL_PROGRAM_NUM_DEVICES:
      return reply.Value(cl_uint{1});
    case CL_PROGRAM_DEVICES:
      return reply.Value(ToHandle(Device::Get()));
    case CL_PROGRAM_SOURCE:
      return reply.String(program.source);
    case CL_PROGRAM_IL:
      return reply.Bytes(nullptr, 0);
    case CL_PROGRAM_BINARY_SIZES:
      return reply.Value(built ? kBinaryMarkSize + program.source.size() : size_t{0});
    case CL_PROGRAM_BINARIES:
      return WriteBinaries(built ? kBinaryMark + program.source : "", reply);
    case CL_PROGRAM_NUM_KERNELS:
      return executable ? reply.Value(program.kernels.size()) : CL_INVALID_PROGRAM_EXECUTABLE;
    case CL_PROGRAM_KERNEL_NAMES:
      return executable ? reply.String(KernelNames(program.kernels)) : CL_INVALID_PROGRAM_EXECUTABLE;
    case CL_PROGRAM_SCOPE_GLOBAL_CTORS_PRESENT:
    case CL_PROGRAM_SCOPE_GLOBAL_DTORS_PRESENT:
      return reply.Value(cl_bool{CL_FALSE});
  }
  return CL_INVALID_VALUE;
}

cl_int clGetProgramBuildInfo(cl_program handle, cl_device_id, cl_program_build_info param_name, size_t param_value_size,
                             void* param_value, size_t* param_value_size_ret) {
  Program& program = *As<Program>(handle);
  const InfoOut reply(param_value_size, param_value, param_value_size_ret);
  const std::lock_guard lock(program.mutex);
  switch (param_name) {
    case CL_PROGRAM_BUILD_STATUS:
      return reply.Value(program.status);
    case CL_PROGRAM_BUILD_OPTIONS:
      return reply.String(program.options);
    case CL_PROGRAM_BUILD_LOG:
      return reply.String(program.log);
    case CL_PROGRAM_BINARY_TYPE:
      return reply.Value(program.binary_type);
    case CL_PROGRAM_BUILD_GLOBAL_VARIABLE_TOTAL_SIZE:
      return reply.Value(size_t{0});
  }
  return CL_INVALID_VALUE;
}

}  // namespace impl
}  // namespace xpool::null_cl
