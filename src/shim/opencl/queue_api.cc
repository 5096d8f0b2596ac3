// Command queue entry points: creation, information, flush, finish.
#include <utility>

#include "generated/opencl/hooks.h"
#include "opencl/info.h"
#include "shim/opencl/platform.h"
#include "shim/opencl/pump.h"
#include "shim/opencl/queue_enqueue.h"

namespace xpool::cl::hook {
namespace {

cl_command_queue Fail(cl_int* errcode_ret, cl_int status) {
  if (errcode_ret != nullptr) *errcode_ret = status;
  return nullptr;
}

// The value of |name| in a zero-terminated property list, or |fallback|.
cl_queue_properties PropertyOf(const std::vector<cl_queue_properties>& list, cl_queue_properties name,
                               cl_queue_properties fallback) {
  for (size_t i = 0; i + 1 < list.size(); i += 2) {
    if (list[i] == name) return list[i + 1];
  }
  return fallback;
}

// |create|(context, device, errcode) makes the driver's queue.
template <typename Create>
cl_command_queue CreateQueue(cl_context context_handle, cl_device_id device_handle, cl_command_queue_properties flags,
                             std::vector<cl_queue_properties> properties, cl_int* errcode_ret, const Create& create) {
  Context* context = UsableContext(context_handle);
  if (context == nullptr) return Fail(errcode_ret, CL_INVALID_CONTEXT);
  Device* device = context->FindDevice(device_handle);
  if (device == nullptr) return Fail(errcode_ret, CL_INVALID_DEVICE);
  SliceSession* session = device->slice();
  if (session == nullptr) return Fail(errcode_ret, CL_OUT_OF_RESOURCES);
  // A queue that is alone may have taken writes (Queue::takes_writes()), which are to be done when it is so no more.
  if (device->remote_slice != nullptr && context->queues == 1) FinishQueuesOf(*context);
  cl_int status = CL_SUCCESS;
  const cl_command_queue driver = create(*context, *device, &status);
  if (driver == nullptr) return Fail(errcode_ret, status != CL_SUCCESS ? status : CL_OUT_OF_RESOURCES);
  auto* queue = new Queue(context, device, driver, flags, std::move(properties), session);
  if (errcode_ret != nullptr) *errcode_ret = CL_SUCCESS;
  return ToHandle(queue);
}

cl_int DefaultQueue(const Queue& queue, const InfoOut& out) {
  cl_command_queue driver = nullptr;
  const cl_int status =
      queue.api->clGetCommandQueueInfo(queue.driver, CL_QUEUE_DEVICE_DEFAULT, sizeof(driver), &driver, nullptr);
  if (status != CL_SUCCESS) return status;
  const Ref<Queue> found = driver != nullptr ? FindQueueOfDriver(driver) : Ref<Queue>();
  return out.Value(found ? ToHandle(found.get()) : cl_command_queue{nullptr});
}

}  // namespace

cl_command_queue clCreateCommandQueueWithProperties(cl_context context, cl_device_id device,
                                                    const cl_queue_properties* properties, cl_int* errcode_ret) {
  std::vector<cl_queue_properties> copy = CopyProperties(properties);
  const cl_command_queue_properties flags = PropertyOf(copy, CL_QUEUE_PROPERTIES, 0);
  return CreateQueue(context, device, flags, std::move(copy), errcode_ret,
                     [&](const Context& in, const Device& on, cl_int* status) {
                       return in.api->clCreateCommandQueueWithProperties(in.driver, on.driver, properties, status);
                     });
}

cl_command_queue clCreateCommandQueue(cl_context context, cl_device_id device, cl_command_queue_properties properties,
                                      cl_int* errcode_ret) {
  return CreateQueue(context, device, properties, {}, errcode_ret,
                     [&](const Context& in, const Device& on, cl_int* status) {
                       return in.api->clCreateCommandQueue(in.driver, on.driver, properties, status);
                     });
}

cl_int clReleaseCommandQueue(cl_command_queue command_queue) {
  Queue* queue = FromHandle<Queue>(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  // A release flushes. What is recorded still runs: its commands keep the queue.
  if (OfThisProcess(*queue)) {
    queue->Drain();
    queue->api->clFlush(queue->driver);
  }
  return ReleaseHandle<Queue>(command_queue);
}

cl_int clGetCommandQueueInfo(cl_command_queue command_queue, cl_command_queue_info param_name, size_t param_value_size,
                             void* param_value, size_t* param_value_size_ret) {
  const Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  const InfoOut out(param_value_size, param_value, param_value_size_ret);
  switch (param_name) {
    case CL_QUEUE_CONTEXT:
      return out.Value(ToHandle(queue->context.get()));
    case CL_QUEUE_DEVICE:
      return out.Value(ToHandle(queue->device.get()));
    case CL_QUEUE_REFERENCE_COUNT:
      return out.Value(static_cast<cl_uint>(queue->api_refs.load()));
    case CL_QUEUE_PROPERTIES_ARRAY:
      return out.Array(queue->properties);
    case CL_QUEUE_DEVICE_DEFAULT:
      return DefaultQueue(*queue, out);
    default:
      return queue->api->clGetCommandQueueInfo(queue->driver, param_name, param_value_size, param_value,
                                               param_value_size_ret);
  }
}

cl_int clSetCommandQueueProperty(cl_command_queue command_queue, cl_command_queue_properties properties, cl_bool enable,
                                 cl_command_queue_properties* old_properties) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  queue->AwaitForwarded();
  // The order of execution cannot change under commands on their way; drivers refuse it too.
  if ((properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE) != 0) return CL_INVALID_OPERATION;
  return queue->api->clSetCommandQueueProperty(queue->driver, properties, enable, old_properties);
}

cl_int clSetDefaultDeviceCommandQueue(cl_context context, cl_device_id device, cl_command_queue command_queue) {
  const Context* in = UsableContext(context);
  if (in == nullptr) return CL_INVALID_CONTEXT;
  const Device* on = in->FindDevice(device);
  if (on == nullptr) return CL_INVALID_DEVICE;
  const Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  return in->api->clSetDefaultDeviceCommandQueue(in->driver, on->driver, queue->driver);
}

cl_int clFlush(cl_command_queue command_queue) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  const cl_int status = queue->api->clFlush(queue->driver);
  const cl_int earlier = queue->TakeError();
  return earlier != CL_SUCCESS ? earlier : status;
}

cl_int clFinish(cl_command_queue command_queue) {
  Queue* queue = UsableQueue(command_queue);
  if (queue == nullptr) return CL_INVALID_COMMAND_QUEUE;
  queue->AwaitForwarded();
  const Mark all = queue->LastForwarded();
  const cl_int status = queue->api->clFinish(queue->driver);
  if (status == CL_SUCCESS) queue->Complete(all);
  const cl_int earlier = queue->TakeError();
  return earlier != CL_SUCCESS ? earlier : status;
}

}  // namespace xpool::cl::hook
