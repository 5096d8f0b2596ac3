#include "worker/warm_driver.h"

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "backend/local/driver.h"
#include "base/status.h"

namespace xpool::worker {
namespace {

// Small, and yet through all of a compiler: what it loads and sets up for the first program, it has then.
constexpr char kSource[] = "__kernel void warm(__global int* out) { out[get_global_id(0)] = (int)get_local_id(0); }";

void RunOnce(const cl::DispatchTable& api, cl_context context, cl_device_id device, cl_program program) {
  cl_int error = CL_SUCCESS;
  const cl_command_queue queue = api.clCreateCommandQueue(context, device, 0, &error);
  const cl_kernel kernel = api.clCreateKernel(program, "warm", &error);
  const cl_mem memory = api.clCreateBuffer(context, CL_MEM_READ_WRITE, 4096, nullptr, &error);
  if (queue != nullptr && kernel != nullptr && memory != nullptr) {
    const size_t items = 64;
    api.clSetKernelArg(kernel, 0, sizeof(memory), &memory);
    api.clEnqueueNDRangeKernel(queue, kernel, 1, nullptr, &items, nullptr, 0, nullptr, nullptr);
    api.clFinish(queue);
  }
  if (memory != nullptr) api.clReleaseMemObject(memory);
  if (kernel != nullptr) api.clReleaseKernel(kernel);
  if (queue != nullptr) api.clReleaseCommandQueue(queue);
}

// Best effort: a device that cannot do this is a matter for the session that wants it.
void WarmDevice(const cl::DispatchTable& api, cl_device_id device) {
  cl_int error = CL_SUCCESS;
  const cl_context context = api.clCreateContext(nullptr, 1, &device, nullptr, nullptr, &error);
  if (context == nullptr) return;
  const char* source = kSource;
  const cl_program program = api.clCreateProgramWithSource(context, 1, &source, nullptr, &error);
  if (program != nullptr) {
    if (api.clBuildProgram(program, 1, &device, "", nullptr, nullptr) == CL_SUCCESS)
      RunOnce(api, context, device, program);
    api.clReleaseProgram(program);
  }
  api.clReleaseContext(context);
}

}  // namespace

absl::Status WarmDriver(const std::string& library) {
  ASSIGN_OR_RETURN(std::unique_ptr<local::Driver> driver, local::Driver::Load(library));
  for (const local::DriverPlatform& platform : driver->platforms()) {
    for (const cl_device_id device : local::ListDevices(platform)) WarmDevice(platform.api, device);
  }
  static_cast<void>(driver.release());  // a driver is never unloaded
  return absl::OkStatus();
}

}  // namespace xpool::worker
