// Building, compiling and linking programs, with the program's callbacks given our handles.
//
// A driver may call back during the call, later from a thread of its own, or never (when the call failed), so what a
// callback needs is kept in a table under a number, and the number is what the driver is given: whoever takes the entry
// out first ends it.
#include <memory>
#include <unordered_map>

#include "generated/opencl/hooks.h"
#include "shim/opencl/program.h"
#include "shim/opencl/program_options.h"
#include "shim/opencl/result.h"

namespace xpool::cl {
namespace {

// The outcome of one clLinkProgram: the driver's callback may bring the new program before the call returns.
class Link {
 public:
  explicit Link(Context* context) : context_(context) {}

  // Our object for the driver's new program; the first caller makes it, and its API reference is the program's.
  Program* Wrap(cl_program driver) {
    if (driver == nullptr) return nullptr;
    MutexLock lock(&mutex_);
    if (!program_) program_ = Ref<Program>(new Program(context_.get(), driver, false));
    return program_.get();
  }

 private:
  const Ref<Context> context_;
  Mutex mutex_;
  Ref<Program> program_ ABSL_GUARDED_BY(mutex_);
};

struct Pending {
  ProgramCallback callback = nullptr;
  void* user_data = nullptr;
  Ref<Program> program;        // of a build or compilation
  std::shared_ptr<Link> link;  // of a link
};

class PendingTable {
 public:
  // The number for the driver's user_data; 0 when there is no callback.
  uintptr_t Add(Pending pending) {
    if (pending.callback == nullptr) return 0;
    MutexLock lock(&mutex_);
    entries_.emplace(++last_, std::move(pending));
    return last_;
  }

  Pending Take(uintptr_t number) {
    MutexLock lock(&mutex_);
    const auto found = entries_.find(number);
    if (found == entries_.end()) return {};
    Pending pending = std::move(found->second);
    entries_.erase(found);
    return pending;
  }

 private:
  Mutex mutex_;
  uintptr_t last_ ABSL_GUARDED_BY(mutex_) = 0;
  std::unordered_map<uintptr_t, Pending> entries_ ABSL_GUARDED_BY(mutex_);
};

PendingTable& Table() {
  static PendingTable& table = *new PendingTable;
  return table;
}

void CL_CALLBACK OnDone(cl_program driver, void* number) {
  const Pending pending = Table().Take(reinterpret_cast<uintptr_t>(number));
  if (pending.callback == nullptr) return;
  Program* const program = pending.link == nullptr ? pending.program.get() : pending.link->Wrap(driver);
  pending.callback(ToHandle(program), pending.user_data);
}

// With these errors the driver has not begun, so it will not call back.
bool NotBegun(cl_int error) {
  return error != CL_SUCCESS && error != CL_BUILD_PROGRAM_FAILURE && error != CL_COMPILE_PROGRAM_FAILURE &&
         error != CL_LINK_PROGRAM_FAILURE;
}

// Calls |call|(options, callback, user_data) of the driver.
template <typename Call>
cl_int CallWithNotify(Program* program, const char* options, ProgramCallback pfn_notify, void* user_data,
                      const Call& call) {
  const uintptr_t number = Table().Add({pfn_notify, user_data, Ref<Program>(program), nullptr});
  const cl_int error = call(options, pfn_notify == nullptr ? nullptr : &OnDone, reinterpret_cast<void*>(number));
  if (NotBegun(error)) Table().Take(number);
  return error;
}

// The same, for source first with the kinds of arguments asked for; a driver that refuses the option gets the
// program's own.
template <typename Call>
cl_int CallWithArgInfo(Program* program, const char* options, ProgramCallback pfn_notify, void* user_data,
                       const Call& call) {
  const std::optional<std::string> extended = program->from_source ? WithArgInfo(options) : std::nullopt;
  program->options_extended = extended.has_value();
  if (extended.has_value()) {
    const cl_int error = CallWithNotify(program, extended->c_str(), pfn_notify, user_data, call);
    if (error != CL_INVALID_BUILD_OPTIONS && error != CL_INVALID_COMPILER_OPTIONS) return error;
    program->options_extended = false;
  }
  return CallWithNotify(program, options, pfn_notify, user_data, call);
}

// What the device and callback arguments of all three calls must obey; fills |devices|.
cl_int CheckArguments(const Context& context, cl_uint num_devices, const cl_device_id* device_list,
                      ProgramCallback pfn_notify, const void* user_data, std::vector<cl_device_id>* devices) {
  if ((num_devices == 0) != (device_list == nullptr)) return CL_INVALID_VALUE;
  if (pfn_notify == nullptr && user_data != nullptr) return CL_INVALID_VALUE;
  return DriverDevices(context, num_devices, device_list, devices) ? CL_SUCCESS : CL_INVALID_DEVICE;
}

bool DriverPrograms(cl_uint count, const cl_program* programs, std::vector<cl_program>* out) {
  for (cl_uint i = 0; programs != nullptr && i < count; ++i) {
    const Program* program = UsableProgram(programs[i]);
    if (program == nullptr) return false;
    out->push_back(program->driver);
  }
  return true;
}

template <typename T>
const T* DataOrNull(const std::vector<T>& values) {
  return values.empty() ? nullptr : values.data();
}

}  // namespace

namespace hook {

cl_int clBuildProgram(cl_program program, cl_uint num_devices, const cl_device_id* device_list, const char* options,
                      ProgramCallback pfn_notify, void* user_data) {
  Program* own = UsableProgram(program);
  if (own == nullptr) return CL_INVALID_PROGRAM;
  std::vector<cl_device_id> devices;
  const cl_int invalid = CheckArguments(*own->context, num_devices, device_list, pfn_notify, user_data, &devices);
  if (invalid != CL_SUCCESS) return invalid;
  return CallWithArgInfo(
      own, options, pfn_notify, user_data, [&](const char* text, ProgramCallback callback, void* number) {
        return own->api->clBuildProgram(own->driver, num_devices, DataOrNull(devices), text, callback, number);
      });
}

cl_int clCompileProgram(cl_program program, cl_uint num_devices, const cl_device_id* device_list, const char* options,
                        cl_uint num_input_headers, const cl_program* input_headers, const char** header_include_names,
                        ProgramCallback pfn_notify, void* user_data) {
  Program* own = UsableProgram(program);
  if (own == nullptr) return CL_INVALID_PROGRAM;
  std::vector<cl_device_id> devices;
  const cl_int invalid = CheckArguments(*own->context, num_devices, device_list, pfn_notify, user_data, &devices);
  if (invalid != CL_SUCCESS) return invalid;
  if ((num_input_headers == 0) != (input_headers == nullptr)) return CL_INVALID_VALUE;
  std::vector<cl_program> headers;
  if (!DriverPrograms(num_input_headers, input_headers, &headers)) return CL_INVALID_PROGRAM;
  return CallWithArgInfo(
      own, options, pfn_notify, user_data, [&](const char* text, ProgramCallback callback, void* number) {
        return own->api->clCompileProgram(own->driver, num_devices, DataOrNull(devices), text, num_input_headers,
                                          DataOrNull(headers), header_include_names, callback, number);
      });
}

cl_program clLinkProgram(cl_context context, cl_uint num_devices, const cl_device_id* device_list, const char* options,
                         cl_uint num_input_programs, const cl_program* input_programs, ProgramCallback pfn_notify,
                         void* user_data, cl_int* errcode_ret) {
  Context* own = UsableContext(context);
  if (own == nullptr) return Fail(errcode_ret, CL_INVALID_CONTEXT);
  std::vector<cl_device_id> devices;
  const cl_int invalid = CheckArguments(*own, num_devices, device_list, pfn_notify, user_data, &devices);
  if (invalid != CL_SUCCESS) return Fail(errcode_ret, invalid);
  if (num_input_programs == 0 || input_programs == nullptr) return Fail(errcode_ret, CL_INVALID_VALUE);
  std::vector<cl_program> inputs;
  if (!DriverPrograms(num_input_programs, input_programs, &inputs)) return Fail(errcode_ret, CL_INVALID_PROGRAM);

  const auto link = std::make_shared<Link>(own);
  const uintptr_t number = Table().Add({pfn_notify, user_data, {}, link});
  cl_int error = CL_SUCCESS;
  cl_program driver =
      own->api->clLinkProgram(own->driver, num_devices, DataOrNull(devices), options, num_input_programs, inputs.data(),
                              pfn_notify == nullptr ? nullptr : &OnDone, reinterpret_cast<void*>(number), &error);
  if (driver == nullptr && NotBegun(error)) Table().Take(number);
  SetError(errcode_ret, error);
  return ToHandle(link->Wrap(driver));
}

}  // namespace hook
}  // namespace xpool::cl
