// A sampler. Immutable.
#pragma once

#include <vector>

#include "shim/opencl/context.h"
#include "shim/opencl/live.h"

namespace xpool::cl {

struct Sampler : LiveObject {
  static constexpr Kind kKind = Kind::kSampler;
  using Handle = cl_sampler;
  static constexpr cl_int kInvalid = CL_INVALID_SAMPLER;

  Sampler(Context* context, cl_sampler driver);
  ~Sampler();

  const Ref<Context> context;
  const DispatchTable* const api;
  const cl_sampler driver;
};

}  // namespace xpool::cl
