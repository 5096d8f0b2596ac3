// Faults on demand, for tests of what happens when a driver misbehaves:
//   XPOOL_NULL_FAULT=<function>:<crash|hang|error code>[:<nth>][,...]
// With |nth| only that call of the function (counted from 1) is hit, else every one. "kernel" instead of a function is
// the execution of a kernel on the device: an error code becomes the event's status.
#pragma once

#include <CL/cl.h>

#include "generated/opencl/call_info.h"

namespace xpool::null_cl {

// Called first in every function: CL_SUCCESS, or the error to return. Does not return from a crash or a hang.
cl_int EnterCall(cl::CallId id);

// The same for a kernel about to execute.
cl_int EnterKernel();

}  // namespace xpool::null_cl
