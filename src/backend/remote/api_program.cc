// Programs. Building waits, as natively; what is known of the kernels comes with it, so that making one need not.

#include <algorithm>
#include <cstring>

#include "backend/remote/calls.h"

namespace xpool::remote {

using wire_cl::CallId;
using wire_cl::Notice;

namespace {

// The devices that a call is about: |all| where it names none.
std::vector<Device*> DevicesOf(const std::vector<Device*>& all, cl_uint count, const cl_device_id* devices) {
  if (count == 0) return all;
  std::vector<Device*> named;
  for (cl_uint i = 0; i < count; ++i) named.push_back(From<Device>(devices[i]));
  return named;
}

// A node's part of a call's devices, as the call takes them.
struct NodeDevices {
  std::vector<cl_device_id> list;

  cl_uint count() const { return static_cast<cl_uint>(list.size()); }
  const cl_device_id* data() const { return list.data(); }
};

// Does |ask|(link, NodeDevices) on every node of |context| that has some of |devices|; the first error.
template <typename AskFor>
cl_int OnEachNode(const Context& context, const std::vector<Device*>& devices, const AskFor& ask) {
  for (ClLink* const link : context.links) {
    NodeDevices own;
    for (Device* const device : devices) {
      if (device->link == link) own.list.push_back(To<cl_device_id>(device));
    }
    if (own.list.empty()) continue;
    if (const cl_int status = ask(link, own); status != CL_SUCCESS) return status;
  }
  return CL_SUCCESS;
}

// Makes a program for |devices| (all of the context's where there are none) by |send|(link, NodeDevices, options) to
// each node that has one of them.
template <typename SendTo>
cl_program CreateLike(cl_context context, std::string source, cl_uint count, const cl_device_id* devices,
                      cl_int* errcode_ret, const SendTo& send) {
  Context* const in = From<Context>(context);
  auto* const program = new Program(in, DevicesOf(in->devices, count, devices));
  program->source = std::move(source);
  Object* const makes[] = {program};
  CallOptions options;
  options.makes = makes;
  const cl_int status = OnEachNode(*in, program->devices, [&](ClLink* link, const NodeDevices& on) {
    const cl_int sent = send(link, on, options);
    return sent == CL_SUCCESS ? link->SendPending() : sent;
  });
  return Return<cl_program>(program, status, errcode_ret);
}

// All strings, none of which is NULL, as one.
std::string Joined(cl_uint count, const char* const* strings, const size_t* lengths) {
  std::string joined;
  for (cl_uint i = 0; i < count; ++i) {
    joined.append(strings[i], lengths != nullptr && lengths[i] != 0 ? lengths[i] : std::strlen(strings[i]));
  }
  return joined;
}

cl_program CL_API_CALL CreateWithSource(cl_context context, cl_uint count, const char** strings, const size_t* lengths,
                                        cl_int* errcode_ret) {
  if (count == 0 || strings == nullptr) return Fail<cl_program>(errcode_ret, CL_INVALID_VALUE);
  for (cl_uint i = 0; i < count; ++i) {
    if (strings[i] == nullptr) return Fail<cl_program>(errcode_ret, CL_INVALID_VALUE);
  }
  return CreateLike(
      context, Joined(count, strings, lengths), 0, nullptr, errcode_ret,
      [&](ClLink* link, const NodeDevices&, const CallOptions& options) {
        return ErrorOf(
            XPOOL_SEND(link, options, clCreateProgramWithSource, context, count, strings, lengths, nullptr).status());
      });
}

// A program's binaries for the devices of one node.
struct Binaries {
  std::vector<size_t> lengths;
  std::vector<const unsigned char*> data;
};

// Answers of calls that failed say no more than that: whose binary it was is found out by trying each alone.
void FindBadBinaries(ClLink* link, cl_context context, const NodeDevices& on, Binaries binaries, cl_int* status) {
  for (cl_uint i = 0; i < on.count(); ++i) {
    const Ref<Program> tried = Ref<Program>::Adopt(new Program(From<Context>(context), {From<Device>(on.list[i])}));
    Object* const makes[] = {tried.get()};
    CallOptions options;
    options.makes = makes;
    status[i] = XPOOL_ASK(link, options, clCreateProgramWithBinary, context, 1, &on.list[i], &binaries.lengths[i],
                          &binaries.data[i], nullptr, nullptr);
  }
}

cl_program CL_API_CALL CreateWithBinary(cl_context context, cl_uint count, const cl_device_id* devices,
                                        const size_t* lengths, const unsigned char** data, cl_int* binary_status,
                                        cl_int* errcode_ret) {
  const auto send = [&](ClLink* link, const NodeDevices& on, const CallOptions& options) {
    Binaries own;
    std::vector<cl_uint> places;
    for (cl_uint i = 0; i < count; ++i) {
      if (From<Device>(devices[i])->link != link) continue;
      own.lengths.push_back(lengths[i]);
      own.data.push_back(data[i]);
      places.push_back(i);
    }
    std::vector<cl_int> own_status(places.size(), CL_SUCCESS);
    const cl_int status = XPOOL_ASK(link, options, clCreateProgramWithBinary, context, on.count(), on.data(),
                                    own.lengths.data(), own.data.data(), own_status.data(), nullptr);
    if (binary_status == nullptr) return status;
    if (status == CL_INVALID_BINARY) FindBadBinaries(link, context, on, own, own_status.data());
    for (size_t i = 0; i < places.size(); ++i) binary_status[places[i]] = own_status[i];
    return status;
  };
  return CreateLike(context, "", count, devices, errcode_ret, send);
}

cl_program CL_API_CALL CreateWithIl(cl_context context, const void* il, size_t length, cl_int* errcode_ret) {
  const auto send = [&](ClLink* link, const NodeDevices&, const CallOptions& options) {
    return XPOOL_ASK(link, options, clCreateProgramWithIL, context, il, length, nullptr);
  };
  return CreateLike(context, "", 0, nullptr, errcode_ret, send);
}

cl_program CL_API_CALL CreateWithBuiltInKernels(cl_context context, cl_uint count, const cl_device_id* devices,
                                                const char* names, cl_int* errcode_ret) {
  const auto send = [&](ClLink* link, const NodeDevices& on, const CallOptions& options) {
    return XPOOL_ASK(link, options, clCreateProgramWithBuiltInKernels, context, on.count(), on.data(), names, nullptr);
  };
  return CreateLike(context, "", count, devices, errcode_ret, send);
}

cl_int CL_API_CALL RetainProgram(cl_program program) { return Retain(From<Program>(program)); }
cl_int CL_API_CALL ReleaseProgram(cl_program program) { return Release(From<Program>(program)); }

// --- Building -------------------------------------------------------------------------------------------------------

// What a worker knows of the program's kernels.
void Describe(Program* program) {
  ClLink* const link = program->BuiltOn().front();
  const absl::StatusOr<std::vector<std::byte>> answer = link->AskNotice(Notice::kDescribe, program->HandleOn(link));
  auto facts = std::make_shared<ProgramFacts>();
  if (answer.ok()) {
    absl::StatusOr<wire_cl::ProgramSheet> sheet = wire_cl::Read<wire_cl::ProgramSheet>(*answer);
    if (sheet.ok()) {
      facts->complete = sheet->complete;
      for (wire_cl::KernelSheet& kernel : sheet->kernels) {
        std::string name = kernel.name;
        facts->kernels.emplace(std::move(name), std::move(kernel));
      }
    }
  }
  MutexLock lock(&program->mutex);
  program->facts = std::move(facts);
}

// What was known before the build is so no more.
void Forget(Program* program) {
  program->info.Forget();
  MutexLock lock(&program->mutex);
  program->facts.reset();
  program->binary_sizes.clear();
}

void AddBuilt(Program* program, ClLink* link) {
  MutexLock lock(&program->mutex);
  if (std::find(program->built.begin(), program->built.end(), link) == program->built.end())
    program->built.push_back(link);
}

// Calls back, unless the build was not even begun: |failure| is the status of one that was, and failed.
void Notify(cl::ProgramCallback notify, cl_program program, void* user_data, cl_int status, cl_int failure) {
  if (notify != nullptr && (status == CL_SUCCESS || status == failure)) notify(program, user_data);
}

cl_int CL_API_CALL Build(cl_program program, cl_uint count, const cl_device_id* devices, const char* options,
                         cl::ProgramCallback notify, void* user_data) {
  Program* const own = From<Program>(program);
  Forget(own);
  const auto build = [&](ClLink* link, const NodeDevices& on) {
    const cl_int built = XPOOL_ASK(link, {}, clBuildProgram, program, on.count(), on.data(), options, nullptr, nullptr);
    if (built == CL_SUCCESS) AddBuilt(own, link);
    return built;
  };
  const cl_int status = OnEachNode(*own->context, DevicesOf(own->devices, count, devices), build);
  if (status == CL_SUCCESS) Describe(own);
  Notify(notify, program, user_data, status, CL_BUILD_PROGRAM_FAILURE);
  return status;
}

cl_int CL_API_CALL Compile(cl_program program, cl_uint count, const cl_device_id* devices, const char* options,
                           cl_uint num_headers, const cl_program* headers, const char** names,
                           cl::ProgramCallback notify, void* user_data) {
  Program* const own = From<Program>(program);
  Forget(own);
  const auto compile = [&](ClLink* link, const NodeDevices& on) {
    return XPOOL_ASK(link, {}, clCompileProgram, program, on.count(), on.data(), options, num_headers, headers, names,
                     nullptr, nullptr);
  };
  const cl_int status = OnEachNode(*own->context, DevicesOf(own->devices, count, devices), compile);
  Notify(notify, program, user_data, status, CL_COMPILE_PROGRAM_FAILURE);
  return status;
}

cl_program CL_API_CALL LinkProgram(cl_context context, cl_uint count, const cl_device_id* devices, const char* options,
                                   cl_uint num_programs, const cl_program* programs, cl::ProgramCallback notify,
                                   void* user_data, cl_int* errcode_ret) {
  Context* const in = From<Context>(context);
  auto* const made = new Program(in, DevicesOf(in->devices, count, devices));
  Object* const makes[] = {made};
  CallOptions call;
  call.makes = makes;
  const auto link_on = [&](ClLink* link, const NodeDevices& on) {
    const cl_int linked = XPOOL_ASK(link, call, clLinkProgram, context, on.count(), on.data(), options, num_programs,
                                    programs, nullptr, nullptr, nullptr);
    if (linked == CL_SUCCESS) AddBuilt(made, link);
    return linked;
  };
  const cl_int status = OnEachNode(*in, made->devices, link_on);
  if (status == CL_SUCCESS) Describe(made);
  const cl_program program = Return<cl_program>(made, status, errcode_ret);
  Notify(notify, program, user_data, status, CL_LINK_PROGRAM_FAILURE);
  return program;
}

cl_int CL_API_CALL SetSpecializationConstant(cl_program program, cl_uint id, size_t size, const void* value) {
  for (const Object::Part& part : From<Program>(program)->parts) {
    const cl_int status = XPOOL_ASK(part.link, {}, clSetProgramSpecializationConstant, program, id, size, value);
    if (status != CL_SUCCESS) return status;
  }
  return CL_SUCCESS;
}

cl_int CL_API_CALL UnloadCompiler() { return CL_SUCCESS; }

// --- Information ----------------------------------------------------------------------------------------------------

// How long the binaries for |link|'s devices are.
cl_int LearnBinarySizes(Program* program, ClLink* link, std::vector<size_t>* sizes) {
  const cl_program handle = To<cl_program>(program);
  size_t bytes = 0;
  cl_int status = XPOOL_ASK(link, {}, clGetProgramInfo, handle, CL_PROGRAM_BINARY_SIZES, 0, nullptr, &bytes);
  sizes->resize(bytes / sizeof(size_t));
  if (status == CL_SUCCESS)
    status = XPOOL_ASK(link, {}, clGetProgramInfo, handle, CL_PROGRAM_BINARY_SIZES, bytes, sizes->data(), nullptr);
  MutexLock lock(&program->mutex);
  if (status == CL_SUCCESS) program->binary_sizes[link] = *sizes;
  return status;
}

// Which of the program's devices |link| has, by their places.
std::vector<size_t> PlacesOf(const Program& program, const ClLink* link) {
  std::vector<size_t> places;
  for (size_t i = 0; i < program.devices.size(); ++i) {
    if (program.devices[i]->link == link) places.push_back(i);
  }
  return places;
}

cl_int GetBinarySizes(Program* program, const InfoOut& out) {
  std::vector<size_t> all(program->devices.size());
  for (ClLink* const link : program->BuiltOn()) {
    std::vector<size_t> sizes;
    const cl_int status = LearnBinarySizes(program, link, &sizes);
    if (status != CL_SUCCESS) return status;
    const std::vector<size_t> places = PlacesOf(*program, link);
    for (size_t i = 0; i < std::min(places.size(), sizes.size()); ++i) all[places[i]] = sizes[i];
  }
  return out.Bytes(all.data(), all.size() * sizeof(size_t));
}

// |value|: where the program wants the binary of each of its devices, or NULL.
cl_int GetBinaries(Program* program, size_t size, void* value, size_t* size_ret) {
  const size_t needed = program->devices.size() * sizeof(void*);
  if (size_ret != nullptr) *size_ret = needed;
  if (value == nullptr) return CL_SUCCESS;
  if (size < needed) return CL_INVALID_VALUE;
  for (ClLink* const link : program->BuiltOn()) {
    std::vector<size_t> sizes;
    cl_int status = LearnBinarySizes(program, link, &sizes);
    if (status != CL_SUCCESS) return status;
    std::vector<void*> targets;
    for (const size_t place : PlacesOf(*program, link)) targets.push_back(static_cast<void**>(value)[place]);
    status = XPOOL_ASK(link, {}, clGetProgramInfo, To<cl_program>(program), CL_PROGRAM_BINARIES,
                       targets.size() * sizeof(void*), targets.data(), nullptr);
    if (status != CL_SUCCESS) return status;
  }
  return CL_SUCCESS;
}

cl_int CL_API_CALL GetProgramInfo(cl_program program, cl_program_info param, size_t size, void* value,
                                  size_t* size_ret) {
  Program* const own = From<Program>(program);
  const InfoOut out(size, value, size_ret);
  switch (param) {
    case CL_PROGRAM_SOURCE:
      if (!own->source.empty()) return out.String(own->source);
      break;
    case CL_PROGRAM_NUM_DEVICES:
      return out.Value(static_cast<cl_uint>(own->devices.size()));
    case CL_PROGRAM_DEVICES:
      return out.Bytes(own->devices.data(), own->devices.size() * sizeof(cl_device_id));
    case CL_PROGRAM_BINARY_SIZES:
      return GetBinarySizes(own, out);
    case CL_PROGRAM_BINARIES:
      return GetBinaries(own, size, value, size_ret);
  }
  ClLink* const link = own->BuiltOn().front();
  return Remembered(
      &own->info, InfoKey(CallId::clGetProgramInfo, param), size, value, size_ret,
      [&](size_t n, void* v, size_t* r) { return XPOOL_ASK(link, {}, clGetProgramInfo, program, param, n, v, r); });
}

cl_int CL_API_CALL GetBuildInfo(cl_program program, cl_device_id device, cl_program_build_info param, size_t size,
                                void* value, size_t* size_ret) {
  Program* const own = From<Program>(program);
  const Device* const on = From<Device>(device);
  if (own->HandleOn(on->link).is_null()) return CL_INVALID_DEVICE;
  return Remembered(&own->info, InfoKey(CallId::clGetProgramBuildInfo, param, on->number), size, value, size_ret,
                    [&](size_t n, void* v, size_t* r) {
                      return XPOOL_ASK(on->link, {}, clGetProgramBuildInfo, program, device, param, n, v, r);
                    });
}

}  // namespace

void FillProgramCalls(cl::DispatchTable* table) {
  table->clCreateProgramWithSource = &CreateWithSource;
  table->clCreateProgramWithBinary = &CreateWithBinary;
  table->clCreateProgramWithIL = &CreateWithIl;
  table->clCreateProgramWithBuiltInKernels = &CreateWithBuiltInKernels;
  table->clRetainProgram = &RetainProgram;
  table->clReleaseProgram = &ReleaseProgram;
  table->clBuildProgram = &Build;
  table->clCompileProgram = &Compile;
  table->clLinkProgram = &LinkProgram;
  table->clSetProgramSpecializationConstant = &SetSpecializationConstant;
  table->clUnloadCompiler = &UnloadCompiler;
  table->clGetProgramInfo = &GetProgramInfo;
  table->clGetProgramBuildInfo = &GetBuildInfo;
}

}  // namespace xpool::remote
