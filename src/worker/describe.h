// What a client is told of a built program's kernels in one answer, and whether a kernel argument takes bytes: by
// asking the driver, as the shim does for its own use. Thread-safe as the driver is.
#pragma once

#include <CL/cl.h>

#include "generated/opencl/dispatch_table.h"
#include "wire_opencl/notices.h"

namespace xpool::worker {

// Empty and not complete when the program has no kernels yet.
wire_cl::ProgramSheet DescribeProgram(const cl::DispatchTable& api, cl_program program);

// False when argument |index| of |kernel|, one of the shim's, takes an object.
bool ArgumentTakesBytes(cl_kernel kernel, cl_uint index);

}  // namespace xpool::worker
