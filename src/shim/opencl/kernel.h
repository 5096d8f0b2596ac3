// A kernel and its arguments. clSetKernelArg goes to the driver's kernel at once, for its exact errors and for launches
// that go straight to the driver; a copy is kept for launches that wait in a software queue. Such a launch takes a
// Snapshot() when it is recorded and a shadow kernel, a driver kernel of its own from the kernel's pool, when it is
// forwarded, so that arguments the program sets meanwhile cannot leak in.
//
// Setting an argument does not retain the object it names, as natively; a snapshot does, and is dropped with the command.
// Thread-safe; no lock is held across a driver call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/inlined_vector.h"
#include "absl/synchronization/mutex.h"
#include "shim/opencl/live.h"
#include "shim/opencl/memory.h"
#include "shim/opencl/program.h"
#include "shim/opencl/sampler.h"

namespace xpool::cl {

// What the value of an argument is. Learned from clGetKernelArgInfo, from a probe, or at the first value.
enum class ArgKind : uint8_t {
  kUnset,     // no value yet
  kBytes,     // by value: scalars, vectors, structs
  kLocal,     // __local memory: only a size
  kObject,    // a memory object, sampler or queue; the bytes are the driver's handle
  kSvm,       // a pointer set by clSetKernelArgSVMPointer
};

struct ArgValue {
  ArgKind kind = ArgKind::kUnset;
  uint64_t stamp = 0;  // grows with every change of any argument of the kernel: equal stamps, equal values
  size_t size = 0;     // as passed to clSetKernelArg
  absl::InlinedVector<unsigned char, 16> bytes;  // for the driver: the value, the driver's handle, or the SVM pointer
  const void* object = nullptr;                  // kObject: our object's address and id; NULL and 0 for a NULL handle
  Kind object_kind = Kind::kMem;
  uint64_t object_id = 0;
};

struct ExecInfo {
  cl_kernel_exec_info param = 0;
  uint64_t stamp = 0;
  std::vector<unsigned char> bytes;
};

// The arguments of one recorded launch. Immutable; holds a reference on every object named.
struct ArgSet {
  std::vector<ArgValue> args;
  std::vector<ExecInfo> exec_infos;
  std::vector<Ref<LiveObject>> objects;
  cl_int status = CL_SUCCESS;  // CL_INVALID_KERNEL_ARGS: an argument is unset, or its object is gone
};

struct Kernel;

// An exclusively held driver kernel; goes back to its pool when destroyed.
class ShadowKernel {
 public:
  struct Slot {
    cl_kernel driver = nullptr;
    std::vector<uint64_t> stamps;       // of the values set on it
    std::vector<uint64_t> exec_stamps;  // same, of the exec infos
  };

  explicit ShadowKernel(cl_int status) : status_(status) {}
  ShadowKernel(Kernel* kernel, std::unique_ptr<Slot> slot);
  ShadowKernel(ShadowKernel&&) noexcept = default;
  ShadowKernel& operator=(ShadowKernel&&) noexcept;
  ~ShadowKernel() { Return(); }

  cl_int status() const { return status_; }  // what the driver said when it could not be made or set up
  cl_kernel driver() const { return slot_ == nullptr ? nullptr : slot_->driver; }

 private:
  void Return();

  cl_int status_ = CL_SUCCESS;
  Ref<Kernel> kernel_;
  std::unique_ptr<Slot> slot_;
};

struct Kernel : Object {
  static constexpr ::xpool::cl::Kind kKind = ::xpool::cl::Kind::kKernel;
  using Handle = cl_kernel;
  static constexpr cl_int kInvalid = CL_INVALID_KERNEL;

  Kernel(Program* program, cl_kernel driver);
  ~Kernel();

  // The arguments as they are now; the same object while nothing changes and a command holds it. Never nullptr.
  std::shared_ptr<const ArgSet> Snapshot();

  // A driver kernel on which |args| are set.
  ShadowKernel AcquireShadow(const ArgSet& args);

  const Ref<Program> program;
  const DispatchTable* const api;
  const cl_kernel driver;
  std::string name;
  cl_uint arg_count = 0;

  // What an argument's declaration takes; kUnset where neither the driver's info nor a probe told.
  struct ArgType {
    enum class Takes : uint8_t { kUnknown, kBytes, kLocal, kMem, kSampler, kQueue };
    Takes takes = Takes::kUnknown;
  };
  std::vector<ArgType> arg_types;  // immutable once made

  absl::Mutex mutex;
  uint64_t last_stamp ABSL_GUARDED_BY(mutex) = 0;
  std::vector<ArgValue> args ABSL_GUARDED_BY(mutex);
  std::vector<ExecInfo> exec_infos ABSL_GUARDED_BY(mutex);
  std::weak_ptr<const ArgSet> snapshot ABSL_GUARDED_BY(mutex);
  std::vector<std::unique_ptr<ShadowKernel::Slot>> shadows ABSL_GUARDED_BY(mutex);  // idle ones
};

}  // namespace xpool::cl
