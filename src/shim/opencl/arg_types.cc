#include "shim/opencl/arg_types.h"

#include "shim/opencl/driver_info.h"

namespace xpool::cl {
namespace {

// No argument has this size: __local memory of any size is accepted, everything else has one size only.
constexpr size_t kOddSize = 24593;

// Sets single arguments of a scratch kernel and sees what the driver takes.
class Prober {
 public:
  Prober(const DispatchTable& api, cl_program program, const char* name) : api_(api) {
    cl_int error = CL_SUCCESS;
    scratch_ = api.clCreateKernel(program, name, &error);
  }
  ~Prober() {
    if (scratch_ != nullptr) api_.clReleaseKernel(scratch_);
  }

  ArgTakes Probe(cl_uint index) const {
    if (scratch_ == nullptr) return ArgTakes::kMaybe;
    if (Accepts(index, kOddSize)) return ArgTakes::kBytes;      // __local
    if (Accepts(index, sizeof(cl_mem))) return ArgTakes::kMem;  // NULL is a value for pointers to global memory only
    return ArgTakes::kMaybeNotPointer;
  }

 private:
  bool Accepts(cl_uint index, size_t size) const {
    return api_.clSetKernelArg(scratch_, index, size, nullptr) == CL_SUCCESS;
  }

  const DispatchTable& api_;
  cl_kernel scratch_ = nullptr;
};

}  // namespace

ArgTakes TakesByInfo(cl_kernel_arg_address_qualifier address, std::string_view type_name) {
  if (address == CL_KERNEL_ARG_ADDRESS_GLOBAL || address == CL_KERNEL_ARG_ADDRESS_CONSTANT) return ArgTakes::kMem;
  if (address == CL_KERNEL_ARG_ADDRESS_LOCAL) return ArgTakes::kBytes;
  // Some compilers call images and pipes private.
  if (type_name == "sampler_t") return ArgTakes::kSampler;
  if (type_name == "queue_t") return ArgTakes::kQueue;
  if (type_name.substr(0, 5) == "image" || type_name.substr(0, 4) == "pipe") return ArgTakes::kMaybeNotPointer;
  return ArgTakes::kBytes;
}

std::vector<ArgTakes> FindArgTypes(const DispatchTable& api, cl_program program, cl_kernel kernel, const char* name) {
  cl_uint count = 0;
  api.clGetKernelInfo(kernel, CL_KERNEL_NUM_ARGS, sizeof(count), &count, nullptr);
  std::vector<ArgTakes> takes(count, ArgTakes::kMaybe);
  std::unique_ptr<Prober> prober;
  for (cl_uint i = 0; i < count; ++i) {
    const auto query = [&](cl_kernel_arg_info param) {
      return [&api, kernel, i, param](size_t size, void* value, size_t* size_ret) {
        return api.clGetKernelArgInfo(kernel, i, param, size, value, size_ret);
      };
    };
    const auto address = QueryValue<cl_kernel_arg_address_qualifier>(query(CL_KERNEL_ARG_ADDRESS_QUALIFIER), 0);
    const std::string type = address == 0 ? "" : QueryString(query(CL_KERNEL_ARG_TYPE_NAME));
    if (!type.empty()) {
      takes[i] = TakesByInfo(address, type);
      continue;
    }
    if (prober == nullptr) prober = std::make_unique<Prober>(api, program, name);
    takes[i] = prober->Probe(i);
  }
  return takes;
}

}  // namespace xpool::cl
