#include "shim/opencl/validate_svm.h"

#include <cstdint>

#include "shim/opencl/validate_buffer.h"

namespace xpool::cl {

cl_int CheckSvmCopy(const void* dst, const void* src, size_t size) {
  if (dst == nullptr || src == nullptr || size == 0) return CL_INVALID_VALUE;
  const auto d = reinterpret_cast<uintptr_t>(dst);
  const auto s = reinterpret_cast<uintptr_t>(src);
  return (d < s ? s - d : d - s) < size ? CL_MEM_COPY_OVERLAP : CL_SUCCESS;
}

cl_int CheckSvmFill(const void* dst, const void* pattern, size_t pattern_size, size_t size) {
  const bool power_of_two = pattern_size != 0 && (pattern_size & (pattern_size - 1)) == 0;
  if (dst == nullptr || pattern == nullptr || !power_of_two || pattern_size > 128) return CL_INVALID_VALUE;
  if (size == 0 || size % pattern_size != 0) return CL_INVALID_VALUE;
  return reinterpret_cast<uintptr_t>(dst) % pattern_size != 0 ? CL_INVALID_VALUE : CL_SUCCESS;
}

cl_int CheckSvmMap(cl_map_flags flags, const void* pointer, size_t size) {
  if (pointer == nullptr || size == 0) return CL_INVALID_VALUE;
  return CheckMapFlags(flags, 0);
}

cl_int CheckSvmFree(cl_uint count, void* const* pointers) {
  if ((count == 0) != (pointers == nullptr)) return CL_INVALID_VALUE;
  for (cl_uint i = 0; i < count; ++i) {
    if (pointers[i] == nullptr) return CL_INVALID_VALUE;
  }
  return CL_SUCCESS;
}

}  // namespace xpool::cl
