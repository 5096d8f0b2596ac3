// Buffers and sub-buffers, and what all memory objects have in common.
#include <algorithm>

#include "generated/opencl/hooks.h"
#include "opencl/info.h"
#include "shim/opencl/memory.h"
#include "shim/opencl/memory_fate.h"
#include "shim/opencl/result.h"

namespace xpool::cl {

uint64_t MaxAllocBytes(const Context& context) {
  uint64_t bytes = 0;  // the specification asks for one device that can hold it
  for (const Ref<Device>& device : context.devices) bytes = std::max(bytes, MaxAllocBytes(*device));
  return bytes;
}

namespace {

// Charges, asks the driver by |create|(errcode_ret), and makes our object.
template <typename Create>
cl_mem CreateCharged(Context* context, size_t size, const cl_mem_properties* properties, cl_int* errcode_ret,
                     const Create& create) {
  if (size == 0 || size > MaxAllocBytes(*context)) return Fail(errcode_ret, CL_INVALID_BUFFER_SIZE);
  Reservation reservation(SlicesOf(*context), size);
  if (!reservation.ok()) return Fail(errcode_ret, CL_MEM_OBJECT_ALLOCATION_FAILURE);
  cl_int error = CL_SUCCESS;
  cl_mem driver = create(&error);
  if (driver == nullptr) return Fail(errcode_ret, error);
  Mem* mem = AdoptMem(context, driver, CL_MEM_OBJECT_BUFFER, reservation.Commit());
  mem->properties = CopyProperties(properties);
  return Succeed(errcode_ret, mem);
}

bool HasProperties(const cl_mem_properties* properties) { return properties != nullptr && properties[0] != 0; }

cl_int GetInfo(const Mem& mem, cl_mem_info param, const InfoOut& out) {
  switch (param) {
    case CL_MEM_REFERENCE_COUNT:
      return out.Value(cl_uint{mem.api_refs.load()});
    case CL_MEM_MAP_COUNT:
      return out.Value(cl_uint{mem.map_count.load()});
    case CL_MEM_CONTEXT:
      return out.Value(ToHandle(mem.context.get()));
    case CL_MEM_ASSOCIATED_MEMOBJECT:
      return out.Value(ToHandle(mem.parent.get()));
    case CL_MEM_PROPERTIES:
      return out.Array(mem.properties);
    default:
      return mem.api->clGetMemObjectInfo(mem.driver, param, out.size(), out.value(), out.size_ret());
  }
}

}  // namespace

namespace hook {

cl_mem clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void* host_ptr, cl_int* errcode_ret) {
  Context* own = UsableContext(context);
  if (own == nullptr) return Fail(errcode_ret, CL_INVALID_CONTEXT);
  return CreateCharged(own, size, nullptr, errcode_ret, [&](cl_int* error) {
    return own->api->clCreateBuffer(own->driver, flags, size, host_ptr, error);
  });
}

cl_mem clCreateBufferWithProperties(cl_context context, const cl_mem_properties* properties, cl_mem_flags flags,
                                    size_t size, void* host_ptr, cl_int* errcode_ret) {
  Context* own = UsableContext(context);
  if (own == nullptr) return Fail(errcode_ret, CL_INVALID_CONTEXT);
  return CreateCharged(own, size, properties, errcode_ret, [&](cl_int* error) {
    // An older driver knows no properties, so it can have none.
    return HasProperties(properties)
               ? own->api->clCreateBufferWithProperties(own->driver, properties, flags, size, host_ptr, error)
               : own->api->clCreateBuffer(own->driver, flags, size, host_ptr, error);
  });
}

cl_mem clCreateSubBuffer(cl_mem buffer, cl_mem_flags flags, cl_buffer_create_type buffer_create_type,
                         const void* buffer_create_info, cl_int* errcode_ret) {
  Mem* parent = FromHandle<Mem>(buffer);
  if (parent == nullptr || !OfThisProcess(*parent) || parent->type != CL_MEM_OBJECT_BUFFER || parent->parent) {
    return Fail(errcode_ret, CL_INVALID_MEM_OBJECT);
  }
  cl_int error = CL_SUCCESS;
  cl_mem driver = parent->api->clCreateSubBuffer(parent->driver, flags, buffer_create_type, buffer_create_info, &error);
  if (driver == nullptr) return Fail(errcode_ret, error);
  const auto& region = *static_cast<const cl_buffer_region*>(buffer_create_info);
  Mem* mem = AdoptMem(parent->context.get(), driver, CL_MEM_OBJECT_BUFFER, 0);
  mem->parent = Ref<Mem>(parent);
  mem->origin = region.origin;
  mem->size = region.size;
  mem->host_ptr = parent->host_ptr == nullptr ? nullptr : static_cast<char*>(parent->host_ptr) + region.origin;
  return Succeed(errcode_ret, mem);
}

cl_int clGetMemObjectInfo(cl_mem memobj, cl_mem_info param_name, size_t param_value_size, void* param_value,
                          size_t* param_value_size_ret) {
  const Mem* own = FromHandle<Mem>(memobj);
  if (own == nullptr) return CL_INVALID_MEM_OBJECT;
  return GetInfo(*own, param_name, InfoOut(param_value_size, param_value, param_value_size_ret));
}

cl_int clSetMemObjectDestructorCallback(cl_mem memobj, MemDestructorCallback pfn_notify, void* user_data) {
  Mem* own = FromHandle<Mem>(memobj);
  if (own == nullptr) return CL_INVALID_MEM_OBJECT;
  if (pfn_notify == nullptr) return CL_INVALID_VALUE;
  own->fate->AddCallback(pfn_notify, user_data);
  return CL_SUCCESS;
}

}  // namespace hook
}  // namespace xpool::cl
