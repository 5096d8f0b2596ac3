#include "shim/opencl/memory.h"

#include "generated/opencl/dispatch_table.h"
#include "shim/opencl/driver_info.h"
#include "shim/opencl/memory_fate.h"

namespace xpool::cl {

Mem::Mem(Context* context, cl_mem driver, cl_mem_object_type type)
    : LiveObject(kKind, driver, &DestroyLive<Mem>), context(context), api(context->api), driver(driver), type(type) {
  const auto query = [this](cl_mem_info param) {
    return [this, param](size_t bytes, void* value, size_t* size_ret) {
      return api->clGetMemObjectInfo(this->driver, param, bytes, value, size_ret);
    };
  };
  flags = QueryValue<cl_mem_flags>(query(CL_MEM_FLAGS), 0);
  size = QueryValue<size_t>(query(CL_MEM_SIZE), 0);
  host_ptr = QueryValue<void*>(query(CL_MEM_HOST_PTR), nullptr);
  if (is_image()) ReadImageLayout();
}

void Mem::ReadImageLayout() {
  const auto value = [this](cl_image_info param) {
    const auto query = [&](size_t bytes, void* out, size_t* size_ret) {
      return api->clGetImageInfo(driver, param, bytes, out, size_ret);
    };
    return QueryValue<size_t>(query, 0);
  };
  api->clGetImageInfo(driver, CL_IMAGE_FORMAT, sizeof(format), &format, nullptr);
  desc.image_type = type;
  desc.image_width = value(CL_IMAGE_WIDTH);
  desc.image_height = value(CL_IMAGE_HEIGHT);
  desc.image_depth = value(CL_IMAGE_DEPTH);
  desc.image_array_size = value(CL_IMAGE_ARRAY_SIZE);
  desc.image_row_pitch = value(CL_IMAGE_ROW_PITCH);
  desc.image_slice_pitch = value(CL_IMAGE_SLICE_PITCH);
  element_bytes = value(CL_IMAGE_ELEMENT_SIZE);
}

Mem::~Mem() {
  if (!OfThisProcess(*this)) return;
  const bool told_by_driver = fate == nullptr || fate->LeaveToDriver();
  api->clReleaseMemObject(driver);  // may end |fate|
  if (!told_by_driver) fate->Finish();
}

Mem* AdoptMem(Context* context, cl_mem driver, cl_mem_object_type type, uint64_t charged_bytes) {
  Mem* mem = new Mem(context, driver, type);
  mem->fate = new MemFate(charged_bytes, charged_bytes > 0 ? SlicesOf(*context) : std::vector<SliceSession*>());
  mem->fate->SetHandle(ToHandle(mem));
  if (context->devices.front()->platform->remote) {
    mem->fate->AttachOnDemand(*context->api, driver);
  } else {
    mem->fate->Attach(*context->api, driver);
  }
  return mem;
}

}  // namespace xpool::cl
