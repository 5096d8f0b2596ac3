// Whether a queue of the driver's runs its commands in the order in which they came.
#pragma once

#include <CL/cl.h>

#include "generated/opencl/dispatch_table.h"

namespace xpool::worker {

inline bool KeepsOrder(const cl::DispatchTable& api, cl_command_queue queue) {
  cl_command_queue_properties properties = 0;
  api.clGetCommandQueueInfo(queue, CL_QUEUE_PROPERTIES, sizeof(properties), &properties, nullptr);
  return (properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE) == 0;
}

}  // namespace xpool::worker
