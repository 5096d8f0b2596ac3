#include "shim/opencl/sampler.h"

#include "generated/opencl/hooks.h"
#include "opencl/info.h"
#include "shim/opencl/result.h"

namespace xpool::cl {

Sampler::Sampler(Context* context, cl_sampler driver)
    : LiveObject(kKind, driver, &DestroyLive<Sampler>), context(context), api(context->api), driver(driver) {}

Sampler::~Sampler() {
  if (OfThisProcess(*this)) api->clReleaseSampler(driver);
}

namespace hook {

cl_sampler clCreateSampler(cl_context context, cl_bool normalized_coords, cl_addressing_mode addressing_mode,
                           cl_filter_mode filter_mode, cl_int* errcode_ret) {
  Context* own = UsableContext(context);
  if (own == nullptr) return Fail(errcode_ret, CL_INVALID_CONTEXT);
  cl_int error = CL_SUCCESS;
  cl_sampler driver = own->api->clCreateSampler(own->driver, normalized_coords, addressing_mode, filter_mode, &error);
  if (driver == nullptr) return Fail(errcode_ret, error);
  return Succeed(errcode_ret, new Sampler(own, driver));
}

cl_sampler clCreateSamplerWithProperties(cl_context context, const cl_sampler_properties* sampler_properties,
                                         cl_int* errcode_ret) {
  Context* own = UsableContext(context);
  if (own == nullptr) return Fail(errcode_ret, CL_INVALID_CONTEXT);
  cl_int error = CL_SUCCESS;
  cl_sampler driver = own->api->clCreateSamplerWithProperties(own->driver, sampler_properties, &error);
  if (driver == nullptr) return Fail(errcode_ret, error);
  return Succeed(errcode_ret, new Sampler(own, driver));
}

cl_int clGetSamplerInfo(cl_sampler sampler, cl_sampler_info param_name, size_t param_value_size, void* param_value,
                        size_t* param_value_size_ret) {
  const Sampler* own = FromHandle<Sampler>(sampler);
  if (own == nullptr) return CL_INVALID_SAMPLER;
  const InfoOut out(param_value_size, param_value, param_value_size_ret);
  if (param_name == CL_SAMPLER_REFERENCE_COUNT) return out.Value(cl_uint{own->api_refs.load()});
  if (param_name == CL_SAMPLER_CONTEXT) return out.Value(ToHandle(own->context.get()));
  return own->api->clGetSamplerInfo(own->driver, param_name, param_value_size, param_value, param_value_size_ret);
}

}  // namespace hook
}  // namespace xpool::cl
