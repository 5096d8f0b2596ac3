// Whether a command on shared virtual memory is valid, with OpenCL's error codes. For commands that are recorded. Pure.
#pragma once

#include <CL/cl.h>

#include <cstddef>

namespace xpool::cl {

cl_int CheckSvmCopy(const void* dst, const void* src, size_t size);
cl_int CheckSvmFill(const void* dst, const void* pattern, size_t pattern_size, size_t size);
cl_int CheckSvmMap(cl_map_flags flags, const void* pointer, size_t size);
// clEnqueueSVMFree: a list and its length are both there or both not.
cl_int CheckSvmFree(cl_uint count, void* const* pointers);

}  // namespace xpool::cl
