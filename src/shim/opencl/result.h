// How a create call ends: its handle and its errcode_ret.
#pragma once

#include <CL/cl.h>

#include <cstddef>

#include "shim/opencl/object.h"

namespace xpool::cl {

inline void SetError(cl_int* errcode_ret, cl_int code) {
  if (errcode_ret != nullptr) *errcode_ret = code;
}

inline std::nullptr_t Fail(cl_int* errcode_ret, cl_int code) {
  SetError(errcode_ret, code);
  return nullptr;
}

template <typename T>
typename T::Handle Succeed(cl_int* errcode_ret, T* object) {
  SetError(errcode_ret, CL_SUCCESS);
  return ToHandle(object);
}

}  // namespace xpool::cl
