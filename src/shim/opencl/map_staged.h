// The driver's commands behind a staged mapping: filling it, and writing it back.
#pragma once

#include <CL/cl.h>

#include <memory>

#include "shim/opencl/map_table.h"
#include "shim/opencl/queue.h"

namespace xpool::cl {

// Reads the mapped region of |mem| into |staging|; only takes its place in the queue when nothing is to be read.
cl_int FillStaging(const Queue& queue, const Mem& mem, const std::shared_ptr<Staging>& staging, cl_uint count,
                   const cl_event* events, cl_event* done);

// Writes |staging| back if it was mapped for writing, and keeps it until the driver is done with it.
cl_int WriteBackStaging(const Queue& queue, const Mem& mem, const std::shared_ptr<Staging>& staging, cl_uint count,
                        const cl_event* events, cl_event* done);

}  // namespace xpool::cl
