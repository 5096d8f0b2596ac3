// All of the shim's objects that are not queues, events or commands.
#pragma once

#include "opencl/info.h"
#include "shim/opencl/context.h"
#include "shim/opencl/device.h"
#include "shim/opencl/kernel.h"
#include "shim/opencl/live.h"
#include "shim/opencl/memory.h"
#include "shim/opencl/platform.h"
#include "shim/opencl/program.h"
#include "shim/opencl/sampler.h"
