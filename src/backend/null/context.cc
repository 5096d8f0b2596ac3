// Contexts, queues, samplers and events of the null driver.
#include "backend/null/engine.h"
#include "opencl/info.h"

namespace xpool::null_cl {
namespace {

// Copies a list of pairs that ends with 0, with the 0; empty for NULL.
template <typename T>
std::vector<T> CopyList(const T* list) {
  std::vector<T> copy;
  if (list == nullptr) return copy;
  for (; *list != 0; list += 2) copy.insert(copy.end(), {list[0], list[1]});
  copy.push_back(0);
  return copy;
}

cl_int CheckContextProperties(const std::vector<cl_context_properties>& properties) {
  for (size_t i = 0; i + 1 < properties.size(); i += 2) {
    if (properties[i] == CL_CONTEXT_PLATFORM) {
      if (As<Platform>(reinterpret_cast<cl_platform_id>(properties[i + 1])) == nullptr) return CL_INVALID_PLATFORM;
    } else if (properties[i] != CL_CONTEXT_INTEROP_USER_SYNC) {
      return CL_INVALID_PROPERTY;
    }
  }
  return CL_SUCCESS;
}

cl_context MakeContext(const cl_context_properties* properties, cl_int* errcode_ret) {
  std::vector<cl_context_properties> list = CopyList(properties);
  if (const cl_int error = CheckContextProperties(list); error != CL_SUCCESS) return Fail(errcode_ret, error);
  return Succeed(errcode_ret, new Context(std::move(list)));
}

constexpr cl_command_queue_properties kQueueProperties =
    CL_QUEUE_PROFILING_ENABLE | CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE;

// Reads |list| into |properties|.
cl_int ReadQueueProperties(const std::vector<cl_queue_properties>& list, cl_command_queue_properties* properties) {
  for (size_t i = 0; i + 1 < list.size(); i += 2) {
    if (list[i] != CL_QUEUE_PROPERTIES && list[i] != CL_QUEUE_SIZE) return CL_INVALID_VALUE;
    if (list[i] == CL_QUEUE_SIZE || (list[i + 1] & ~kQueueProperties) != 0) return CL_INVALID_QUEUE_PROPERTIES;
    *properties = list[i + 1];
  }
  return CL_SUCCESS;
}

cl_int ReadSamplerProperties(const std::vector<cl_sampler_properties>& list, Sampler* sampler) {
  for (size_t i = 0; i + 1 < list.size(); i += 2) {
    const auto value = static_cast<cl_uint>(list[i + 1]);
    if (list[i] == CL_SAMPLER_NORMALIZED_COORDS) {
      sampler->normalized = value;
    } else if (list[i] == CL_SAMPLER_ADDRESSING_MODE) {
      sampler->addressing = value;
    } else if (list[i] == CL_SAMPLER_FILTER_MODE) {
      sampler->filter = value;
    } else {
      return CL_INVALID_VALUE;
    }
  }
  return CL_SUCCESS;
}

}  // namespace

Context::~Context() {
  for (auto it = destructor_callbacks.rbegin(); it != destructor_callbacks.rend(); ++it) {
    it->first(ToHandle(this), it->second);
  }
}

namespace impl {

cl_context clCreateContext(const cl_context_properties* properties, cl_uint, const cl_device_id*,
                           ContextCallback pfn_notify, void* user_data, cl_int* errcode_ret) {
  if (pfn_notify == nullptr && user_data != nullptr) return Fail(errcode_ret, CL_INVALID_VALUE);
  return MakeContext(properties, errcode_ret);
}

cl_context clCreateContextFromType(const cl_context_properties* properties, cl_device_type device_type,
                                   ContextCallback pfn_notify, void* user_data, cl_int* errcode_ret) {
  if (pfn_notify == nullptr && user_data != nullptr) return Fail(errcode_ret, CL_INVALID_VALUE);
  cl_uint count = 0;
  const cl_int error = impl::clGetDeviceIDs(nullptr, device_type, 0, nullptr, &count);
  return error == CL_SUCCESS ? MakeContext(properties, errcode_ret) : Fail(errcode_ret, error);
}

cl_int clGetContextInfo(cl_context handle, cl_context_info param_name, size_t param_value_size, void* param_value,
                        size_t* param_value_size_ret) {
  const Context& context = *As<Context>(handle);
  const InfoOut reply(param_value_size, param_value, param_value_size_ret);
  switch (param_name) {
    case CL_CONTEXT_REFERENCE_COUNT:
      return reply.Value(cl_uint{context.api_refs});
    case CL_CONTEXT_NUM_DEVICES:
      return reply.Value(cl_uint{1});
    case CL_CONTEXT_DEVICES:
      return reply.Value(ToHandle(Device::Get()));
    case CL_CONTEXT_PROPERTIES:
      return reply.Array(context.properties);
  }
  return CL_INVALID_VALUE;
}

cl_int clSetContextDestructorCallback(cl_context handle, ContextDestructorCallback pfn_notify, void* user_data) {
  Context& context = *As<Context>(handle);
  const std::lock_guard lock(context.mutex);
  context.destructor_callbacks.emplace_back(pfn_notify, user_data);
  return CL_SUCCESS;
}

cl_command_queue clCreateCommandQueueWithProperties(cl_context context, cl_device_id,
                                                    const cl_queue_properties* properties, cl_int* errcode_ret) {
  std::vector<cl_queue_properties> list = CopyList(properties);
  cl_command_queue_properties bits = 0;
  if (const cl_int error = ReadQueueProperties(list, &bits); error != CL_SUCCESS) return Fail(errcode_ret, error);
  auto* queue = new Queue(As<Context>(context), bits);
  queue->property_list = std::move(list);
  return Succeed(errcode_ret, queue);
}

cl_command_queue clCreateCommandQueue(cl_context context, cl_device_id, cl_command_queue_properties properties,
                                      cl_int* errcode_ret) {
  if ((properties & ~kQueueProperties) != 0) return Fail(errcode_ret, CL_INVALID_VALUE);
  return Succeed(errcode_ret, new Queue(As<Context>(context), properties));
}

cl_int clGetCommandQueueInfo(cl_command_queue handle, cl_command_queue_info param_name, size_t param_value_size,
                             void* param_value, size_t* param_value_size_ret) {
  const Queue& queue = *As<Queue>(handle);
  const InfoOut reply(param_value_size, param_value, param_value_size_ret);
  switch (param_name) {
    case CL_QUEUE_CONTEXT:
      return reply.Value(ToHandle(queue.context.get()));
    case CL_QUEUE_DEVICE:
      return reply.Value(ToHandle(Device::Get()));
    case CL_QUEUE_REFERENCE_COUNT:
      return reply.Value(cl_uint{queue.api_refs});
    case CL_QUEUE_PROPERTIES:
      return reply.Value(queue.properties);
    case CL_QUEUE_PROPERTIES_ARRAY:
      return reply.Array(queue.property_list);
    case CL_QUEUE_SIZE:
      return CL_INVALID_COMMAND_QUEUE;
    case CL_QUEUE_DEVICE_DEFAULT:
      return reply.Value(cl_command_queue{nullptr});
  }
  return CL_INVALID_VALUE;
}

cl_int clSetCommandQueueProperty(cl_command_queue, cl_command_queue_properties, cl_bool, cl_command_queue_properties*) {
  return CL_INVALID_OPERATION;
}

cl_int clFlush(cl_command_queue) { return CL_SUCCESS; }

cl_int clFinish(cl_command_queue command_queue) {
  Queue* queue = As<Queue>(command_queue);
  if (queue->unfinished.load(std::memory_order_acquire) != 0) Engine::Get().AwaitQueue(queue);
  return CL_SUCCESS;
}

cl_sampler clCreateSamplerWithProperties(cl_context context, const cl_sampler_properties* sampler_properties,
                                         cl_int* errcode_ret) {
  auto* sampler = new Sampler(As<Context>(context));
  sampler->property_list = CopyList(sampler_properties);
  const cl_int error = ReadSamplerProperties(sampler->property_list, sampler);
  if (error == CL_SUCCESS) return Succeed(errcode_ret, sampler);
  Release<Sampler>(ToHandle(sampler));
  return Fail(errcode_ret, error);
}

cl_sampler clCreateSampler(cl_context context, cl_bool normalized_coords, cl_addressing_mode addressing_mode,
                           cl_filter_mode filter_mode, cl_int* errcode_ret) {
  auto* sampler = new Sampler(As<Context>(context));
  sampler->normalized = normalized_coords;
  sampler->addressing = addressing_mode;
  sampler->filter = filter_mode;
  return Succeed(errcode_ret, sampler);
}

cl_int clGetSamplerInfo(cl_sampler handle, cl_sampler_info param_name, size_t param_value_size, void* param_value,
                        size_t* param_value_size_ret) {
  const Sampler& sampler = *As<Sampler>(handle);
  const InfoOut reply(param_value_size, param_value, param_value_size_ret);
  switch (param_name) {
    case CL_SAMPLER_REFERENCE_COUNT:
      return reply.Value(cl_uint{sampler.api_refs});
    case CL_SAMPLER_CONTEXT:
      return reply.Value(ToHandle(sampler.context.get()));
    case CL_SAMPLER_NORMALIZED_COORDS:
      return reply.Value(sampler.normalized);
    case CL_SAMPLER_ADDRESSING_MODE:
      return reply.Value(sampler.addressing);
    case CL_SAMPLER_FILTER_MODE:
      return reply.Value(sampler.filter);
    case CL_SAMPLER_PROPERTIES:
      return reply.Array(sampler.property_list);
  }
  return CL_INVALID_VALUE;
}

}  // namespace impl
}  // namespace xpool::null_cl
