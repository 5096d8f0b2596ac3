// A kernel and its arguments. clSetKernelArg goes to the driver's kernel at once, for its exact errors and for launches
// that go straight to the driver; a copy is kept for launches that wait in a software queue. Such a launch takes a
// Snapshot() when it is recorded and a shadow kernel, a driver kernel of its own from the kernel's pool, when it is
// forwarded, so that arguments the program sets meanwhile cannot leak in.
//
// Setting an argument does not retain the object it names, as natively; a snapshot does, and is dropped with the
// command. Thread-safe; no lock is held across a driver call.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/inlined_vector.h"
#include "base/mutex.h"
#include "shim/opencl/device.h"
#include "shim/opencl/live.h"
#include "shim/opencl/program.h"
#include "shim/opencl/validate_launch.h"

namespace xpool::cl {

// What the declaration of an argument takes.
enum class ArgTakes : uint8_t {
  kBytes,            // by value, or the size of __local memory: nothing to translate
  kMem,              // a pointer to __global or __constant memory, an image or a pipe
  kSampler,          // a sampler
  kQueue,            // a device-side queue
  kMaybe,            // not known: whatever matches a live handle
  kMaybeNotPointer,  // not known, but no pointer: a live image, pipe, sampler or queue, or else bytes
};

enum class ArgKind : uint8_t { kUnset, kBytes, kObject, kSvm };

// The value of an argument as it is passed to the driver.
struct ArgValue {
  ArgKind kind = ArgKind::kUnset;
  uint64_t stamp = 0;    // grows with every change of any argument of the kernel: equal stamps, equal values
  size_t size = 0;       // clSetKernelArg's arg_size
  bool is_null = false;  // arg_value was NULL: __local memory, or a NULL memory object
  absl::InlinedVector<unsigned char, 16> bytes;  // the value, the driver's handle, or the SVM pointer
  const void* object = nullptr;                  // kObject: our object's address and id; NULL and 0 for a NULL handle
  ::xpool::cl::Kind object_kind = ::xpool::cl::Kind::kMem;
  uint64_t object_id = 0;
};

// Equal but for the stamp.
bool SameValue(const ArgValue& a, const ArgValue& b);

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
    std::vector<uint64_t> stamps;       // of the argument values set on it
    std::vector<uint64_t> exec_stamps;  // and of the exec infos, as in ArgSet
  };

  explicit ShadowKernel(cl_int status) : status_(status) {}
  ShadowKernel(Kernel* kernel, std::unique_ptr<Slot> slot);
  ShadowKernel(ShadowKernel&&) noexcept = default;
  ShadowKernel& operator=(ShadowKernel&& other) noexcept;
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

  // Takes over |driver|, a kernel of |program|.
  Kernel(Program* program, cl_kernel driver);
  ~Kernel();

  // The arguments as they are now; the same object while nothing changes and a command holds it. Never nullptr.
  std::shared_ptr<const ArgSet> Snapshot();

  // A driver kernel on which |args| are set.
  ShadowKernel AcquireShadow(const ArgSet& args);

  // What launches on |device| must keep to; nullopt when the kernel has not been built for it.
  std::optional<KernelLimits> LimitsOn(Device* device);

  // Every argument has a value.
  bool all_set() const { return unset_.load(std::memory_order_acquire) == 0; }

  // Keeps a value that the driver's kernel has taken.
  void Store(cl_uint index, ArgValue value);
  void Store(ExecInfo info);
  // Sets the values that |source| has. REQUIRES: a new kernel of the same function.
  cl_int CopyValues(Kernel* source);

  const Ref<Program> program;
  const DispatchTable* const api;
  const cl_kernel driver;
  std::string name;
  std::vector<ArgTakes> takes;  // one for each argument; immutable once made

 private:
  friend class ShadowKernel;
  std::unique_ptr<ShadowKernel::Slot> TakeSlot();

  std::atomic<size_t> unset_{0};
  Mutex mutex_;
  uint64_t last_stamp_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<ArgValue> args_ ABSL_GUARDED_BY(mutex_);
  std::vector<ExecInfo> exec_infos_ ABSL_GUARDED_BY(mutex_);
  std::weak_ptr<const ArgSet> snapshot_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<ShadowKernel::Slot>> shadows_ ABSL_GUARDED_BY(mutex_);  // idle ones
  std::vector<std::pair<Ref<Device>, KernelLimits>> limits_ ABSL_GUARDED_BY(mutex_);
};

// The kernel behind |handle| when it may be used in this process; nullptr otherwise (then CL_INVALID_KERNEL).
inline Kernel* UsableKernel(cl_kernel handle) {
  Kernel* kernel = FromHandle<Kernel>(handle);
  return kernel != nullptr && OfThisProcess(*kernel) ? kernel : nullptr;
}

}  // namespace xpool::cl
